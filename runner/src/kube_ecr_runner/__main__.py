"""`python -m kube_ecr_runner` is the command kube-ecr-runner."""

from kube_ecr_runner.cli import main

raise SystemExit(main())
