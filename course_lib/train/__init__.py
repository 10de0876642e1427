"""Training: one plain loop per paradigm over one engine, and what it leaves behind."""

from course_lib.train.adversarial import train_gan
from course_lib.train.averaged import predict_averaged
from course_lib.train.checkpoint import load_checkpoint, save_checkpoint, shipped
from course_lib.train.config import TrainConfig
from course_lib.train.detection import train_detection
from course_lib.train.ema import EMA
from course_lib.train.engine import Engine, pick_device
from course_lib.train.evaluate import Evaluation, evaluate, per_image_confusions, predict
from course_lib.train.flow import FlowHistory, train_flow
from course_lib.train.flow_config import FlowConfig
from course_lib.train.gan_config import GANConfig
from course_lib.train.gan_history import GANHistory
from course_lib.train.history import History
from course_lib.train.inception import inception_features
from course_lib.train.inversion import InversionConfig, train_inverse
from course_lib.train.judge_objects import (
    detect,
    found_objects,
    object_scores,
    true_objects,
)
from course_lib.train.judge_samples import sample_features, sample_scores
from course_lib.train.point_flow import (
    PointFlowConfig,
    PointFlowHistory,
    point_log_density,
    train_point_flow,
    velocity_of,
)
from course_lib.train.points import (
    PointsConfig,
    PointsHistory,
    lattice,
    pull,
    train_points,
)
from course_lib.train.run import Progress, Run
from course_lib.train.samples import draw_codes, draw_samples
from course_lib.train.supervised import train_supervised
from course_lib.train.vaegan import train_vaegan
from course_lib.train.vaegan_config import VAEGANConfig
from course_lib.train.variational import train_variational
from course_lib.train.variational_config import VariationalConfig
from course_lib.train.variational_history import VariationalHistory

__all__ = [
    "EMA",
    "Engine",
    "Evaluation",
    "FlowConfig",
    "FlowHistory",
    "GANConfig",
    "GANHistory",
    "History",
    "InversionConfig",
    "PointFlowConfig",
    "PointFlowHistory",
    "PointsConfig",
    "PointsHistory",
    "Progress",
    "Run",
    "TrainConfig",
    "detect",
    "VAEGANConfig",
    "VariationalConfig",
    "VariationalHistory",
    "draw_codes",
    "draw_samples",
    "evaluate",
    "found_objects",
    "inception_features",
    "lattice",
    "load_checkpoint",
    "object_scores",
    "per_image_confusions",
    "pick_device",
    "point_log_density",
    "predict",
    "predict_averaged",
    "pull",
    "sample_features",
    "sample_scores",
    "save_checkpoint",
    "shipped",
    "train_detection",
    "train_flow",
    "train_gan",
    "train_inverse",
    "train_point_flow",
    "train_points",
    "train_supervised",
    "true_objects",
    "train_vaegan",
    "train_variational",
    "velocity_of",
]
