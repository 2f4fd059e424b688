// Runs before the first paint, so that a chosen theme does not flash the other one. Without a choice the system's counts.
{
  let chosen = null;
  try {
    chosen = localStorage.getItem("lipscribe-theme");
  } catch {
    // storage is blocked: the system's theme it is
  }
  if (chosen) document.documentElement.dataset.theme = chosen;
}
