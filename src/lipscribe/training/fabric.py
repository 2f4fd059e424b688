"""Lightning Fabric, and one line with the remedy where it is absent."""

from lipscribe.errors import MissingExtraError

try:
    from lightning_fabric import Fabric
    from lightning_fabric.loggers import Logger, TensorBoardLogger
    from lightning_fabric.plugins.environments import SLURMEnvironment
    from lightning_fabric.strategies import DDPStrategy, ModelParallelStrategy
    from lightning_fabric.utilities.rank_zero import rank_zero_only
except ImportError:
    raise MissingExtraError("training needs Lightning Fabric: pip install 'lipscribe[train]'") from None

__all__ = [
    "DDPStrategy",
    "Fabric",
    "Logger",
    "ModelParallelStrategy",
    "SLURMEnvironment",
    "TensorBoardLogger",
    "rank_zero_only",
]
