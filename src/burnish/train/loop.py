"""The training loop: one for fit, recovery, distillation and quantization-aware training.

Everything random in an epoch (order, augmentation, dropout) is a function of (seed, epoch), and the state is written
down after each epoch, and with torch's random state every so many seconds within one. So a run that was killed goes
on from there and ends with the same bits as one that was left alone.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from torch import nn

from burnish.core.files import digest
from burnish.core.kept_memory import kept_memory
from burnish.core.progress import Progress
from burnish.data.split import Split
from burnish.train.advisor import resolve
from burnish.train.average import Average
from burnish.train.checkpoint import EpochRecord, run_key
from burnish.train.device import choose_device, device_name, moved, repeatable
from burnish.train.epoch import train_epoch
from burnish.train.forward import forward_pass
from burnish.train.guard import check_weights
from burnish.train.kept import Kept
from burnish.train.memory import beside, measured_state, model_size
from burnish.train.planner import WHOLE, choose_strategy
from burnish.train.ranks import Ranks
from burnish.train.refusals import refuse_call, refuse_forward, refuse_on_ranks
from burnish.train.result import FitResult
from burnish.train.samples import Samples
from burnish.train.settings import FitSettings, Objective
from burnish.train.state import RunState
from burnish.train.trial import ENOUGH, StepTrial, precision_of
from burnish.train.watch import Watch
from burnish.train.writer import Writer

__all__ = ["EpochRecord", "FitResult", "Score", "fit"]

Score = Callable[[nn.Module], float]
"""Validation quality of a module; higher is better."""


def fit(
    module: nn.Module,
    split: Split,
    *,
    objective: Objective,
    settings: FitSettings,
    seed: int,
    score: Score | None = None,
    samples: Samples | None = None,
    checkpoint: Path | None = None,
    progress: Progress,
    label: str = "fit",
    ranks: Ranks | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> FitResult:
    """Train `module` in place, on the device that the settings name; afterwards it is where it was.

    `score` rates the module after each epoch, for early stop and `keep_best`; without it the last
    weights stay. `checkpoint` is a file that belongs to this one call: if it holds a part of the
    same run (same settings, seed, data and starting weights) that run goes on. A thread of its own writes it while the
    training goes on; it is whole when this returns or raises. `samples` must be there when the
    settings name a weighting or a curriculum, and belongs to this one call. Fractional epochs
    train the first batches of the last epoch. All of `ranks` call this with the same arguments and train together; the
    checkpoint belongs to the first one. Without `ranks` this process trains alone. `clock` gives seconds.

    Raises `TrainingFailed` when the loss or a weight is not finite, `Unsupported` when nothing is
    trainable, `BadData` without rows, `RecipeError` on patience without a score, `OutputError` when a checkpoint could
    not be written: at the next one, or at the end.
    """
    chosen = samples or Samples()
    refuse_call(split, settings, chosen, scored=score is not None)
    began = clock()
    device = choose_device(settings.device)
    ranks = ranks or Ranks()
    refuse_forward(module, settings, world=ranks.world, device=device)
    key = run_key(module, split, settings, seed, device.type) if checkpoint else ""
    kept = partial(Kept, checkpoint=checkpoint, key=key)
    settings, why = resolve(settings, module, split, ranks=ranks, device=device, kept=kept(name="optimizer"))
    if why:
        progress.say(f"optimizer {why}")
    strategy, reason = choose_strategy(settings, ranks, module, split, device)
    predicted = measured = None
    per_epoch = split.num_batches(settings.batch_size)
    total = max(1, round(settings.epochs * per_epoch))
    workers = int(device.type == "cuda") if settings.workers is None else settings.workers
    stopped = "all epochs done"
    with (
        moved(module, device),
        repeatable(device),
        kept_memory(),
        Writer(checkpoint) if checkpoint else contextlib.nullcontext() as writer,
        progress.task(label, total) as bar,
        contextlib.ExitStack() as ending,
    ):
        trial = StepTrial(
            module=module, split=split, objective=objective, settings=settings, seed=seed, device=device, ranks=ranks
        )
        with chosen.unseen():
            divided = strategy.name not in WHOLE
            precision = precision_of(trial, kept(name="precision"), steps=total, divided=divided)
        if total >= ENOUGH:
            progress.say(f"    {label} in {precision.reason}")
        if ranks.world > 1:
            refuse_on_ranks(precision=precision.name)
            if chosen.weighting is not None:
                chosen.weighting.ranks = ranks
            progress.say(f"strategy {reason}")
            predicted = strategy.predict(model_size(module, settings.optimizer), ranks.world)
        work, called = strategy.wrap(module, device)
        ending.enter_context(forward_pass(work, settings))
        run = RunState(
            module=work,
            called=called,
            strategy=strategy,
            ranks=ranks,
            objective=objective,
            settings=settings,
            optimizer=strategy.optimizer(work, settings),
            precision=precision,
            scaler=precision.scaler(),
            weighting=chosen.weighting,
            average=Average(work, settings.ema, strategy.local) if settings.ema else None,
            total=total,
            cycle=round(settings.t_0 * per_epoch),
        )
        key = digest(key, precision.name, settings.optimizer)
        before = run.resume(checkpoint, key, progress) if checkpoint else 0.0
        done = min(total, len(run.history) * per_epoch + len(run.losses))
        bar.advance(done)
        watch = Watch(clock)

        def save() -> None:
            if writer:
                run.write(writer, key, before + clock() - began)
            watch.mark()

        while done < total:
            if run.out_of_patience():
                stopped = f"no better score for {settings.patience} epochs"
                break
            epoch = len(run.history)
            run.start_epoch(seed)
            steps = range(epoch * per_epoch, min((epoch + 1) * per_epoch, total))
            batches = chosen.batches(
                split,
                settings,
                seed=seed,
                epoch=epoch,
                device=device,
                first=len(run.losses),
                workers=workers,
                rank=ranks.rank,
                world=ranks.world,
            )
            with contextlib.closing(batches):
                loss = train_epoch(run, steps, watch.timed(batches), bar, watch, save)
            check_weights(run, epoch)
            if predicted is not None and measured is None:
                measured = measured_state(work, strategy.kept(run.optimizer), strategy.local)
                progress.say(f"{strategy.name} on {ranks.world} ranks: {beside(predicted, measured)}")
            strategy.average_buffers(work, ranks)
            with run.averaged():
                value = ranks.value(score(work)) if score else None
                run.history.append(EpochRecord(epoch=epoch, loss=loss, score=value))
                if value is not None:
                    run.note_score(value)
            done = steps.stop
            save()
        run.finish()
        strategy.unwrap(work, module)
    return FitResult(
        epochs_run=done / per_epoch,
        history=tuple(run.history),
        best_epoch=run.best_epoch,
        steps=done,
        seconds=before + clock() - began,
        precision_reason=precision.reason,
        device=device_name(device),
        stopped=stopped,
        skipped_steps=run.skipped,
        wait_share=watch.share(),
        compiled=watch.first_step() if settings.compile else "",
        optimizer=settings.optimizer,
        optimizer_reason=why,
        weighting=chosen.weighting.found if chosen.weighting is not None else "",
        strategy=strategy.name,
        ranks=ranks.world,
        predicted=predicted,
        measured=measured,
    )
