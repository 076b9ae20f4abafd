"""`python -m app …` is `pictor …`."""

from app.cli import main

if __name__ == "__main__":
    main()
