"""What every request runs through: the order of the controls, compiled once into a plan for each operation.

`order` is the list of all checks and where each one runs; it stands there and nowhere else. `compiling` and `planning`
make plans of it, and `running` takes an exchange through one. Not here: what a check decides (controls), and who moves
the bytes (gateway, middleware).
"""

from doorward.pipeline.compiling import compile_pipeline
from doorward.pipeline.order import STAGES
from doorward.pipeline.plan import Plan, ScanPlan, WebSocketPlan
from doorward.pipeline.running import Pipeline

__all__ = ["STAGES", "Pipeline", "Plan", "ScanPlan", "WebSocketPlan", "compile_pipeline"]
