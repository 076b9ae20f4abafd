"""How much is tried: a little and always the same in `make test`, very much and always something else in `make test-fuzz`.

Said here, since a test takes what holds when its module is imported.
"""

import os

from hypothesis import HealthCheck, settings

settings.register_profile(
    "short",
    max_examples=40,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.register_profile(
    "long",
    max_examples=int(os.environ.get("PICTOR_FUZZ_EXAMPLES", "8000")),
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("short")
