"""Superset for a look at the starter dashboard on this machine only: `make superset`."""

import os

HOME = os.environ["SUPERSET_HOME"]
SECRET_KEY = os.environ["SUPERSET_SECRET_KEY"]
SQLALCHEMY_DATABASE_URI = f"sqlite:///{HOME}/superset.db"
TALISMAN_ENABLED = False  # it would ask for https
