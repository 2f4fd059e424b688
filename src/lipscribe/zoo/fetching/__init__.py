"""Published models over the network: whole, checked, and going on where a download broke off."""
