# The web server and, with another command, the worker. Runs as an unprivileged user on a read-only
# root file system: it writes only to /tmp (uploads in progress) and /data (see below).
FROM python:3.13-slim AS build
RUN python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH
WORKDIR /srv/consentry
COPY requirements.txt .
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement requirements.txt
COPY . .
# The settings require a key to load; this one signs nothing and stays out of the environment.
RUN SECRET_KEY=only-for-this-build DATABASE_URL=sqlite://:memory: \
        python manage.py collectstatic --noinput \
    && python -m compileall -q config importers
# collectstatic writes files for its own user only; all of this is public or code.
RUN chmod --recursive a+rX,go-w /srv/consentry

FROM python:3.13-slim
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin consentry \
    && install --directory --owner=consentry --group=consentry --mode=0700 /data
COPY --from=build /opt/venv /opt/venv
COPY --from=build /srv/consentry /srv/consentry
WORKDIR /srv/consentry
# Without other settings, the database (SQLite) and the images are stored in /data: mount a volume
# there. The static files are part of the image instead, so that an upgrade cannot serve old ones.
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    DATABASE_URL=sqlite:////data/consentry.sqlite3 \
    MEDIA_STORAGE=file:/data/media
USER consentry
EXPOSE 8000
CMD ["gunicorn", "--config", "config/gunicorn.py", "--bind", "0.0.0.0:8000"]
