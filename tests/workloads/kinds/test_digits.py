import torch

from burnish.core.progress import Silent
from burnish.train.loop import fit
from burnish.train.objectives import task
from burnish.workloads.kinds.digits import digits


def test_trains_to_97_percent():
    torch.set_num_threads(1)
    workload = digits()
    torch.manual_seed(0)
    module = workload.build()

    def score(module):
        module.eval()
        with torch.no_grad():
            batch = next(workload.validation.in_order(1000))
            return float((module(**batch.inputs).argmax(1) == batch.targets).float().mean())

    fit(
        module,
        workload.train,
        objective=task(workload.loss),
        settings=workload.fit,
        seed=0,
        score=score,
        progress=Silent(),
    )
    assert score(module) > 0.97
    assert (len(workload.train), len(workload.validation), len(workload.test)) == (1078, 360, 359)
