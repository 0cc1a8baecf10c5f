.PHONY: run test soak bench lint format lock

run:
	@sh .ci/python-env requirements.txt
	@sh .ci/demo

# One file or one test: make test ARGS="tests/config/test_env.py -k blank"
test:
	@sh .ci/test $(ARGS)

# Long runs of the tests that kill workers and web servers, walk the state machine, attack the web
# server, and let storms rage at Persona: about two hours.
soak: journeys = kill kill_web state_machine slow_clients storms
soak:
	@SOAK=True sh .ci/test $(journeys:%=tests/journeys/test_%.py) $(ARGS)

# Throughput against bare requests, the rate under a limit, and memory: about ten minutes.
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
	.venv/bin/lint-imports --no-cache --no-logo
	.venv/bin/python -m djlint templates --lint --check --quiet
	.venv/bin/python manage.py makemigrations --check --dry-run
	.venv/bin/python manage.py check

format:
	@sh .ci/python-env requirements-dev.txt
	.venv/bin/python -m ruff format .
	.venv/bin/python -m ruff check --fix .
	.venv/bin/python -m djlint templates --reformat --quiet

# Renew the locked requirements from the *.in files. Versions that still fit are kept;
# make lock ARGS=--upgrade raises them all.
lock: export UV_CUSTOM_COMPILE_COMMAND = make lock
lock: compile = .venv/bin/python -m uv pip compile --quiet --universal --generate-hashes \
	--system-certs --python .venv/bin/python --python-version 3.12 $(ARGS)
lock:
	@sh .ci/python-env requirements-dev.txt
	$(compile) requirements.in --output-file requirements.txt
	$(compile) requirements-dev.in --output-file requirements-dev.txt
