"""`pictor …` whose worker waits half a second for what it does when it is told to stop."""

from app.cli import main
from app.worker import worker

if __name__ == "__main__":
    worker.GRACE_SECONDS = 0.5  # type: ignore[misc]
    main()
