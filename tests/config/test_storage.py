"""MEDIA_STORAGE: images are stored in a folder or in a bucket."""

from pathlib import Path

import pytest

from tests.support.settings import PRODUCTION, Load, refusal


class TestImageStorage:
    AWS_KEYS = {"AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "made up"}

    @staticmethod
    def images(load: Load, **environment: str) -> tuple[str, dict[str, str]]:
        described = load(**(PRODUCTION | environment)).STORAGES["default"]
        return described["BACKEND"].rpartition(".")[2], described["OPTIONS"]

    def test_images_are_stored_by_default_in_a_folder_that_is_not_served(
        self, load: Load, tmp_path: Path
    ) -> None:
        folder = tmp_path / "var" / "media"
        assert self.images(load) == ("DurableFileStorage", {"location": str(folder)})
        assert not folder.is_relative_to(load(**PRODUCTION).STATIC_ROOT)

    def test_images_can_be_stored_in_another_folder(self, load: Load) -> None:
        _, options = self.images(load, MEDIA_STORAGE="file:/srv/faces")
        assert options == {"location": "/srv/faces"}

    @pytest.mark.parametrize(
        ("address", "expected"),
        [
            ("s3://faces", {"bucket_name": "faces"}),
            ("s3://faces/", {"bucket_name": "faces"}),
            ("s3://my.faces-1/a", {"bucket_name": "my.faces-1", "location": "a"}),
            ("s3://faces/a/b=c_d/", {"bucket_name": "faces", "location": "a/b=c_d"}),
        ],
    )
    def test_images_can_be_stored_in_a_bucket_and_boto3_finds_the_rest(
        self, address: str, expected: dict[str, str], load: Load
    ) -> None:
        assert self.images(load, MEDIA_STORAGE=address) == ("PrivateS3Storage", expected)

    @pytest.mark.parametrize(
        "address",
        [
            *("s3:", "s3://", "s3:///prefix", "s3:faces", "s3:/faces", "s3://-faces/a"),
            *("s3://faces//a", "s3://faces/../a", "s3://faces/.", "s3://faces/a b"),
            *("s3://faces?region=x", "s3://AKID:secret@faces/a", "s3://faces:9000/a"),
        ],
    )
    def test_a_malformed_bucket_is_refused_and_not_repeated(self, address: str, load: Load) -> None:
        message = refusal(load, **(PRODUCTION | {"MEDIA_STORAGE": address}))
        assert message.startswith("MEDIA_STORAGE must be s3://bucket/prefix: ")
        assert "secret" not in message

    def test_a_storage_of_another_kind_is_refused_with_both_forms(self, load: Load) -> None:
        message = refusal(load, **(PRODUCTION | {"MEDIA_STORAGE": "gs://faces"}))
        assert message == "MEDIA_STORAGE must be file:/… (a folder) or s3://bucket/prefix."

    def test_the_aws_variables_set_credentials_region_and_endpoint(self, load: Load) -> None:
        _, options = self.images(
            load,
            MEDIA_STORAGE="s3://faces/a",
            AWS_REGION="eu-central-1",
            AWS_DEFAULT_REGION="us-east-1",
            AWS_ENDPOINT_URL="https://all.example",
            AWS_ENDPOINT_URL_S3="https://s3.example:9000",
            AWS_SESSION_TOKEN="token",
            **self.AWS_KEYS,
        )
        assert options == {
            "bucket_name": "faces",
            "location": "a",
            "endpoint_url": "https://s3.example:9000",
            "region_name": "eu-central-1",
            "access_key": "AKID",
            "secret_key": "made up",
            "security_token": "token",
        }

    def test_the_alternative_aws_variables_are_accepted(self, load: Load) -> None:
        others = {"AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": "https://all.example/s3"}
        _, options = self.images(load, MEDIA_STORAGE="s3://faces", **others)
        assert options["region_name"] == "us-east-1"
        assert options["endpoint_url"] == "https://all.example/s3"

    def test_the_aws_keys_can_come_from_files(self, load: Load, tmp_path: Path) -> None:
        for name, value in self.AWS_KEYS.items():
            (tmp_path / name).write_text(f"{value}\n")
        files = {f"{name}_FILE": str(tmp_path / name) for name in self.AWS_KEYS}
        _, options = self.images(load, MEDIA_STORAGE="s3://faces", **files)
        assert (options["access_key"], options["secret_key"]) == ("AKID", "made up")

    @pytest.mark.parametrize("name", AWS_KEYS)
    def test_one_aws_key_without_the_other_is_refused(self, name: str, load: Load) -> None:
        half = {name: self.AWS_KEYS[name], "MEDIA_STORAGE": "s3://faces"}
        message = refusal(load, **(PRODUCTION | half))
        assert message.startswith("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY belong together")
        assert self.AWS_KEYS[name] not in message

    @pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])
    @pytest.mark.parametrize("address", ["minio:9000", "ftp://minio", "https://key:secret@minio"])
    def test_a_malformed_endpoint_is_refused(self, name: str, address: str, load: Load) -> None:
        message = refusal(load, **(PRODUCTION | {"MEDIA_STORAGE": "s3://faces", name: address}))
        assert message == f"{name} must be like https://s3.example.org."

    def test_the_aws_variables_are_ignored_with_images_in_a_folder(self, load: Load) -> None:
        backend, _ = self.images(load, AWS_ACCESS_KEY_ID="AKID", AWS_ENDPOINT_URL="nonsense")
        assert backend == "DurableFileStorage"
