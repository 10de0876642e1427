"""A learner's instant checks: one object for each exercise, `checks.NAME(my_function) -> Report`.

    >>> from course_lib import checks
    >>> checks.iou(my_function)                  # doctest: +SKIP

The check of an exercise `NAME` is the object `NAME` in `course_lib/checks/LAB/NAME.py`: reference,
properties and known mistakes together. One import and one line of `ALL` make it known; right and
wrong answers that it must tell apart stand in `tests/checks/LAB.py`.
"""

from __future__ import annotations

from course_lib.checks.after_the_network.label_regions import label_regions
from course_lib.checks.after_the_network.nms_survivors import nms_survivors
from course_lib.checks.after_the_network.split_touching import split_touching
from course_lib.checks.after_the_network.suppress import suppress
from course_lib.checks.classifier.accuracy import accuracy
from course_lib.checks.classifier.conv2d import conv2d
from course_lib.checks.classifier.conv_output import conv_output
from course_lib.checks.compare import assert_close
from course_lib.checks.core import Check
from course_lib.checks.cvae.every_class import every_class
from course_lib.checks.cvae.told_both import told_both
from course_lib.checks.dcgan.latent_walk import latent_walk
from course_lib.checks.dcgan.up_padding import up_padding
from course_lib.checks.deeplab.atrous import atrous
from course_lib.checks.deeplab.choose_rates import choose_rates
from course_lib.checks.deeplab.stack_field import stack_field
from course_lib.checks.fcn.bilinear_weight import bilinear_weight
from course_lib.checks.fcn.heat_map import heat_map
from course_lib.checks.fcn.scatter import scatter
from course_lib.checks.flow_2d.density_along import density_along
from course_lib.checks.flow_2d.diagnose_flows import diagnose_flows
from course_lib.checks.flow_2d.examine_density import examine_density
from course_lib.checks.flow_2d.first_step import first_step
from course_lib.checks.flow_2d.follow_field import follow_field
from course_lib.checks.flow_2d.marginal_velocity import marginal_velocity
from course_lib.checks.flow_2d.noisy_step import noisy_step
from course_lib.checks.flow_2d.paired_loss import paired_loss
from course_lib.checks.flow_editing.back_to_noise import back_to_noise
from course_lib.checks.flow_editing.between_images import between_images
from course_lib.checks.flow_editing.examine_inversion import examine_inversion
from course_lib.checks.flow_editing.fill_in import fill_in
from course_lib.checks.flow_editing.keep_known import keep_known
from course_lib.checks.flow_editing.likeliest import likeliest
from course_lib.checks.flow_editing.restyle import restyle
from course_lib.checks.flow_latent.cut_patches import cut_patches
from course_lib.checks.flow_latent.draw_codes import draw_codes
from course_lib.checks.flow_latent.scale_codes import scale_codes
from course_lib.checks.flow_latent.swap_patches import swap_patches
from course_lib.checks.flow_pictures.examine_way import examine_way
from course_lib.checks.flow_pictures.flow_step import flow_step
from course_lib.checks.flow_pictures.guided_answer import guided_answer
from course_lib.checks.flow_pictures.on_the_way import on_the_way
from course_lib.checks.flow_pictures.paper_weight import paper_weight
from course_lib.checks.flow_pictures.time_waves import time_waves
from course_lib.checks.flow_pictures.undo_noise import undo_noise
from course_lib.checks.four_steps.clean_mask import clean_mask
from course_lib.checks.four_steps.diagnose_training import diagnose_training
from course_lib.checks.four_steps.resize_pair import resize_pair
from course_lib.checks.four_steps_generation.find_code import find_code
from course_lib.checks.four_steps_generation.vaegan_turn import vaegan_turn
from course_lib.checks.gan_2d.cheapest_game import cheapest_game
from course_lib.checks.gan_2d.diagnose_games import diagnose_games
from course_lib.checks.gan_2d.generator_gradient import generator_gradient
from course_lib.checks.gan_2d.modes_covered import modes_covered
from course_lib.checks.gan_2d.optimal_discriminator import optimal_discriminator
from course_lib.checks.judging.dice_from_iou import dice_from_iou
from course_lib.checks.judging.examine_iou import examine_iou
from course_lib.checks.judging.soft_dice import soft_dice
from course_lib.checks.judging.two_means import two_means
from course_lib.checks.judging_objects.average_precision import average_precision
from course_lib.checks.judging_objects.diagnose_detectors import diagnose_detectors
from course_lib.checks.judging_objects.examine_ap import examine_ap
from course_lib.checks.judging_objects.panoptic_quality import panoptic_quality
from course_lib.checks.judging_samples.fewer_samples import fewer_samples
from course_lib.checks.judging_samples.frechet_gaussians import frechet_gaussians
from course_lib.checks.judging_samples.precision_recall import precision_recall
from course_lib.checks.mask_rcnn.decode_boxes import decode_boxes
from course_lib.checks.mask_rcnn.match_anchors import match_anchors
from course_lib.checks.mask_rcnn.roi_cells import roi_cells
from course_lib.checks.normalisation.batch_norm import batch_norm
from course_lib.checks.normalisation.judge_pass import judge_pass
from course_lib.checks.report import Report, Result
from course_lib.checks.simple_gan.discriminator_step import discriminator_step
from course_lib.checks.simple_gan.generator_step import generator_step
from course_lib.checks.simple_gan.play_rounds import play_rounds
from course_lib.checks.stylegan.minibatch_std import minibatch_std
from course_lib.checks.stylegan.modulate import modulate
from course_lib.checks.stylegan.truncate import truncate
from course_lib.checks.unet.flip_together import flip_together
from course_lib.checks.unet.iou import iou
from course_lib.checks.unet.match_skip import match_skip
from course_lib.checks.unet.shift_map import shift_map
from course_lib.checks.unet.smallest_net import smallest_net
from course_lib.checks.unet.train_pass import train_pass
from course_lib.checks.vae.code_nats import code_nats
from course_lib.checks.vae.diagnose_codes import diagnose_codes
from course_lib.checks.vae.draw_code import draw_code
from course_lib.checks.vae.examine_bound import examine_bound
from course_lib.checks.vae.silent_numbers import silent_numbers
from course_lib.checks.vae.smallest_code import smallest_code
from course_lib.checks.vae.vae_loss import vae_loss
from course_lib.checks.vae.weighted_bound import weighted_bound
from course_lib.checks.vqvae.diagnose_codebooks import diagnose_codebooks
from course_lib.checks.vqvae.examine_prior import examine_prior
from course_lib.checks.vqvae.follow_codes import follow_codes
from course_lib.checks.vqvae.next_shares import next_shares
from course_lib.checks.vqvae.quantise import quantise
from course_lib.checks.wgan_gp.examine_penalty import examine_penalty
from course_lib.checks.wgan_gp.game_step import game_step
from course_lib.checks.wgan_gp.gradient_penalty import gradient_penalty
from course_lib.checks.wgan_gp.more_friction import more_friction
from course_lib.checks.wgan_gp.r1_penalty import r1_penalty

# Every exercise, in the order of the labs in `_toc.yml`, in each lab in the order of the lab.
ALL: dict[str, Check] = {
    check.name: check
    for check in (
        conv_output,
        conv2d,
        accuracy,
        batch_norm,
        judge_pass,
        match_skip,
        shift_map,
        train_pass,
        iou,
        flip_together,
        smallest_net,
        heat_map,
        scatter,
        bilinear_weight,
        resize_pair,
        diagnose_training,
        clean_mask,
        stack_field,
        atrous,
        choose_rates,
        dice_from_iou,
        two_means,
        examine_iou,
        soft_dice,
        match_anchors,
        decode_boxes,
        roi_cells,
        nms_survivors,
        suppress,
        label_regions,
        split_touching,
        average_precision,
        examine_ap,
        panoptic_quality,
        diagnose_detectors,
        optimal_discriminator,
        generator_gradient,
        modes_covered,
        diagnose_games,
        cheapest_game,
        discriminator_step,
        generator_step,
        play_rounds,
        up_padding,
        latent_walk,
        gradient_penalty,
        examine_penalty,
        game_step,
        more_friction,
        r1_penalty,
        modulate,
        minibatch_std,
        truncate,
        frechet_gaussians,
        fewer_samples,
        precision_recall,
        draw_code,
        code_nats,
        vae_loss,
        diagnose_codes,
        silent_numbers,
        smallest_code,
        weighted_bound,
        examine_bound,
        every_class,
        told_both,
        quantise,
        follow_codes,
        diagnose_codebooks,
        next_shares,
        examine_prior,
        vaegan_turn,
        find_code,
        marginal_velocity,
        follow_field,
        first_step,
        noisy_step,
        density_along,
        examine_density,
        paired_loss,
        diagnose_flows,
        on_the_way,
        examine_way,
        flow_step,
        time_waves,
        undo_noise,
        guided_answer,
        paper_weight,
        scale_codes,
        draw_codes,
        cut_patches,
        swap_patches,
        keep_known,
        fill_in,
        restyle,
        back_to_noise,
        examine_inversion,
        between_images,
        likeliest,
    )
}

__all__ = [
    "ALL",
    "Check",
    "Report",
    "Result",
    "accuracy",
    "assert_close",
    "atrous",
    "average_precision",
    "back_to_noise",
    "batch_norm",
    "between_images",
    "bilinear_weight",
    "cheapest_game",
    "choose_rates",
    "clean_mask",
    "code_nats",
    "conv2d",
    "conv_output",
    "cut_patches",
    "decode_boxes",
    "density_along",
    "diagnose_codebooks",
    "diagnose_codes",
    "diagnose_detectors",
    "diagnose_flows",
    "diagnose_games",
    "diagnose_training",
    "dice_from_iou",
    "discriminator_step",
    "draw_code",
    "draw_codes",
    "every_class",
    "examine_ap",
    "examine_bound",
    "examine_density",
    "examine_inversion",
    "examine_iou",
    "examine_penalty",
    "examine_prior",
    "examine_way",
    "fewer_samples",
    "fill_in",
    "find_code",
    "first_step",
    "flip_together",
    "flow_step",
    "follow_codes",
    "follow_field",
    "frechet_gaussians",
    "game_step",
    "generator_gradient",
    "generator_step",
    "gradient_penalty",
    "guided_answer",
    "heat_map",
    "iou",
    "judge_pass",
    "keep_known",
    "label_regions",
    "latent_walk",
    "likeliest",
    "marginal_velocity",
    "match_anchors",
    "match_skip",
    "minibatch_std",
    "modes_covered",
    "modulate",
    "more_friction",
    "next_shares",
    "nms_survivors",
    "noisy_step",
    "on_the_way",
    "optimal_discriminator",
    "paired_loss",
    "panoptic_quality",
    "paper_weight",
    "play_rounds",
    "precision_recall",
    "quantise",
    "r1_penalty",
    "resize_pair",
    "restyle",
    "roi_cells",
    "scale_codes",
    "scatter",
    "shift_map",
    "silent_numbers",
    "smallest_code",
    "smallest_net",
    "soft_dice",
    "split_touching",
    "stack_field",
    "suppress",
    "swap_patches",
    "time_waves",
    "told_both",
    "train_pass",
    "truncate",
    "two_means",
    "undo_noise",
    "up_padding",
    "vae_loss",
    "vaegan_turn",
    "weighted_bound",
]
