"""The command `akin model`, against a hub on loopback (hub_server.py)."""

import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hub_test
from hub_server import Hub, cut_after, git_hash, sha256, tiny_model

AKIN = pathlib.Path(os.environ.get("AKIN_BUILD", "build")) / "cli" / "akin"
REPO, COMMIT = hub_test.REPO, hub_test.COMMIT
DONE, WRONG, SYSTEM = 0, 2, 5


def safetensors(values=1000):
    """The bytes of a file with one tensor."""
    header = json.dumps({"t": {"dtype": "F32", "shape": [values],
                               "data_offsets": [0, 4 * values]}}).encode()
    header += b" " * (-len(header) % 8)
    return struct.pack("<Q", len(header)) + header + os.urandom(4 * values)


class Model(hub_test.Case):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.close)
        self.environment["HF_ENDPOINT"] = self.hub.url
        self.files = tiny_model("dinov2", safetensors())
        self.hub.add(REPO, COMMIT, self.files)

    def model(self, *words, code=DONE, **env):
        done = subprocess.run(
            [AKIN.resolve(), "model", *words], cwd=self.home, timeout=60,
            env=dict(self.environment, **env), capture_output=True, text=True)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def json(self, *words, **more):
        return json.loads(self.model(*words, "--json", **more).stdout)["models"]

    def snapshot(self):
        return self.repo() / "snapshots" / COMMIT

    def blob(self):
        return self.repo() / "blobs" / sha256(self.files["model.safetensors"])

    def test_a_pull_prints_the_folder_alone(self):
        done = self.model("pull", REPO)
        self.assertEqual(done.stdout, "%s\n" % self.snapshot().resolve())
        self.assertEqual(done.stderr, "")

    def test_several_pulls_go_on_after_a_failure(self):
        done = self.model("pull", "no/thing", REPO, code=SYSTEM)
        self.assertIn("401", done.stderr)
        self.assertEqual(done.stdout,
                         "%s: %s\n" % (REPO, self.snapshot().resolve()))

    def test_a_pull_in_json_has_a_folder_or_a_reason(self):
        bad, good = self.json("pull", "no/thing", REPO, code=SYSTEM)
        self.assertEqual((bad["model"], bad["folder"]), ("no/thing", None))
        self.assertIn("401", bad["reason"])
        self.assertEqual(good, {"model": REPO, "reason": None,
                                "folder": str(self.snapshot().resolve())})

    def test_a_pull_without_a_name_is_wrong_usage(self):
        self.assertIn("NAME", self.model("pull", code=WRONG).stderr)

    def test_offline_says_that_nothing_is_here(self):
        done = self.model("pull", "--offline", REPO, code=SYSTEM)
        self.assertIn("no weights at hand", done.stderr)
        self.assertEqual(self.hub.log, [])

    def test_ctrl_c_keeps_what_came(self):
        weights = os.urandom(2000000)
        self.hub.add(REPO, COMMIT, tiny_model("dinov2", weights))
        part = self.repo() / "blobs" / (sha256(weights) + ".incomplete")
        process = subprocess.Popen(
            [AKIN.resolve(), "model", "pull", REPO], env=self.environment,
            stderr=subprocess.PIPE)

        ended = threading.Event()

        def interrupt(request):
            cut_after(1000000)(request)
            request.wfile.flush()
            process.send_signal(signal.SIGINT)
            ended.wait(20)

        self.hub.storage.order(interrupt)
        _, error = process.communicate(timeout=60)
        ended.set()
        self.assertEqual(process.returncode, 128 + signal.SIGINT, error)
        self.assertIn(b"stopped", error)
        self.assertTrue(part.exists())

    def test_path_prints_the_folder_of_what_is_here(self):
        self.model("pull", REPO)
        self.assertEqual(self.model("path", REPO).stdout,
                         "%s\n" % self.snapshot().resolve())
        done = self.model("path", "clip", code=SYSTEM)
        self.assertIn("akin model pull clip", done.stderr)

    def test_list_tells_known_names_and_what_is_here(self):
        self.model("pull", REPO)
        clip, dinov2, starter, other = self.json("list")
        self.assertEqual(clip, {
            "model": "clip", "id": "openai/clip-vit-base-patch32",
            "revision": None, "folder": None, "family": None, "bytes": None})
        self.assertEqual([dinov2["model"], starter["model"]],
                         ["dinov2", "starter"])
        self.assertEqual(other, {
            "model": REPO, "id": REPO, "revision": COMMIT,
            "folder": str(self.snapshot().resolve()), "family": "dinov2",
            "bytes": len(self.files["model.safetensors"])})

    def test_list_tells_how_to_get_what_is_not_here(self):
        lines = self.model("list").stdout.split("\n")
        self.assertIn("akin model pull clip", lines[1])
        self.assertIn("./run demo", lines[3])

    def test_list_has_folders_of_the_data_folder_by_name(self):
        folder = self.home / ".local/share/akin/models/mine"
        folder.mkdir(parents=True)
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        mine = self.json("list")[3]
        self.assertEqual((mine["model"], mine["folder"]),
                         ("mine", str(folder.resolve())))

    def test_list_passes_over_models_of_another_kind(self):
        self.model("pull", REPO)
        config = self.snapshot() / "config.json"
        config.unlink()
        config.write_text('{"model_type": "bert"}')
        self.assertEqual(len(self.json("list")), 3)

    def test_list_passes_over_half_a_model(self):
        self.hub.add(REPO, COMMIT, tiny_model("dinov2", safetensors(), 2))
        self.model("pull", REPO)
        (self.snapshot() / "model-00002-of-00002.safetensors").unlink()
        self.assertEqual(len(self.json("list")), 3)

    def test_verify_compares_every_file_with_the_hubs_hash(self):
        self.model("pull", REPO)
        self.assertIn("whole; 3 files", self.model("verify", REPO).stdout)
        verdict, = self.json("verify", REPO)
        self.assertEqual((verdict["whole"], verdict["reason"]), (True, None))
        self.assertEqual([f["hash_compared"] for f in verdict["files"]],
                         [True] * 3)

    def test_verify_finds_one_wrong_bit_and_names_the_way_out(self):
        self.model("pull", REPO)
        data = bytearray(self.files["model.safetensors"])
        data[-1] ^= 1
        self.blob().write_bytes(data)
        done = self.model("verify", REPO, code=SYSTEM)
        self.assertIn(sha256(data), done.stderr)
        self.assertIn("delete %s" % self.blob().resolve(), done.stderr)
        self.blob().unlink()
        self.model("pull", REPO)
        self.model("verify", REPO)

    def test_verify_finds_a_wrong_bit_in_a_small_file(self):
        self.model("pull", REPO)
        blob = self.repo() / "blobs" / git_hash(self.files["config.json"])
        blob.write_text('{"model_type":  "dinov2"}')
        verdict, = self.json("verify", REPO, code=SYSTEM)
        self.assertFalse(verdict["whole"])
        config = verdict["files"][0]
        self.assertTrue(config["path"].endswith("/config.json"))
        self.assertIn("has the hash", config["problem"])

    def test_verify_finds_weights_whose_form_is_wrong(self):
        folder = self.home / "folder"
        folder.mkdir()
        for name, data in self.files.items():
            (folder / name).write_bytes(data)
        self.assertIn("0 of them have a published hash",
                      self.model("verify", "./folder").stdout)
        with open(folder / "model.safetensors", "ab") as weights:
            weights.write(b"more")
        self.model("verify", "./folder", code=SYSTEM)

    def test_verify_names_a_missing_shard(self):
        self.hub.add(REPO, COMMIT, tiny_model("dinov2", safetensors(), 2))
        self.model("pull", REPO)
        shard = "model-00002-of-00002.safetensors"
        (self.snapshot() / shard).unlink()
        self.assertIn(shard + ": is missing",
                      self.model("verify", REPO, code=SYSTEM).stderr)


if __name__ == "__main__":
    unittest.main()
