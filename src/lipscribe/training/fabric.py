"""Lightning Fabric, from whichever of its packages is installed: `lightning-fabric` alone, or all of `lightning`."""

from lipscribe.errors import MissingExtraError

try:
    from lightning_fabric import Fabric
    from lightning_fabric.loggers import Logger, TensorBoardLogger
    from lightning_fabric.utilities.rank_zero import rank_zero_only
except ImportError:
    try:
        from lightning.fabric import Fabric
        from lightning.fabric.loggers import Logger, TensorBoardLogger
        from lightning.fabric.utilities.rank_zero import rank_zero_only
    except ImportError:
        raise MissingExtraError("training needs Lightning Fabric: pip install 'lipscribe[train]'") from None

__all__ = ["Fabric", "Logger", "TensorBoardLogger", "rank_zero_only"]
