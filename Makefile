.PHONY: run test soak bench lint format

run:
	@sh .ci/python-env requirements.txt
	@sh .ci/demo

# One file or one test: make test ARGS="tests/test_access.py -k stranger"
test:
	@sh .ci/test $(ARGS)

# Workers killed many more times, and far longer courses of things: about half an hour.
soak:
	@SOAK=True sh .ci/test tests/journeys/test_kill.py tests/journeys/test_state_machine.py $(ARGS)

# Throughput beside the bare requests, the pace under a limit, and memory: some ten minutes.
bench: export DEBUG = True
bench: export DJANGO_SETTINGS_MODULE = config.settings
bench:
	@sh .ci/python-env requirements-dev.txt
	@.venv/bin/python -m tests.bench

lint: export DEBUG = True
lint: export DATABASE_URL = sqlite://:memory:
lint:
	@sh .ci/python-env requirements-dev.txt
	.venv/bin/python -m ruff format --check .
	.venv/bin/python -m ruff check .
	.venv/bin/python -m mypy
	.venv/bin/python manage.py makemigrations --check --dry-run
	.venv/bin/python manage.py check

format:
	@sh .ci/python-env requirements-dev.txt
	.venv/bin/python -m ruff format .
	.venv/bin/python -m ruff check --fix .
