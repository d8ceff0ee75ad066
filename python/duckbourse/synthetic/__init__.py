"""Made-up minute bars that agree with published daily bars, to build and to measure with."""

from duckbourse.synthetic.days import SOURCE, Plan, connected, plan
from duckbourse.synthetic.delivery import Outcome, deliver

__all__ = ["SOURCE", "Outcome", "Plan", "connected", "deliver", "plan"]
