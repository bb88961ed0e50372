"""akin's way to weights, against a hub on loopback (hub_server.py)."""

import json
import os
import pathlib
import resource
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import hub_server
from hub_server import (Hub, body, cut_after, git_hash, sha256, stall_after,
                        status, tiny_model)

BUILD = pathlib.Path(os.environ.get("AKIN_BUILD", "build")).resolve()
PULL = BUILD / "tests" / "pull"
REPO = "someone/a-model"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "89abcdef0123456789abcdef0123456789abcdef"
CLIP = "b33cedfd0df4e43b8238760678fcc89e1a0d38b3"
DINOV2 = "f9e44c814b77203eaa57a6bdbbd535f21ede1415"
OK, EUSAGE, EIO, ENOTFOUND, EFORMAT, ELIMIT, EMODEL = 0, 1, 3, 4, 6, 7, 8
ENETWORK, ECANCELLED = 12, 13


class Answer:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.decode().rstrip("\n")
        self.error = done.stderr.decode().rstrip("\n").split("\n")[-1]
        self.progress = done.stderr.decode().split("\n")[:-1]


class Case(unittest.TestCase):
    def setUp(self):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="akin-hub-"))
        self.addCleanup(shutil.rmtree, self.home)
        self.cache = self.home / ".cache" / "huggingface" / "hub"
        self.environment = {"HOME": str(self.home), "no_proxy": "127.0.0.1"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LD_LIBRARY_PATH"):
            if name in os.environ:
                self.environment[name] = os.environ[name]

    def start(self, *words, **more):
        environment = dict(self.environment, **more.pop("env", {}))
        return subprocess.Popen(
            [PULL, *words], env=environment, cwd=self.home,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def run_(self, *words, **more):
        process = self.start(*words, **more)
        out, error = process.communicate(timeout=120)
        return Answer(subprocess.CompletedProcess(
            words, process.returncode, out, error))

    def expect(self, answer, code, *texts):
        self.assertEqual(answer.code, code, answer.error)
        for text in texts:
            self.assertIn(text, answer.error)

    def repo(self, name=REPO):
        return self.cache / ("models--" + name.replace("/", "--"))


class Pulling(Case):
    def setUp(self):
        super().setUp()
        self.hub = Hub()
        self.addCleanup(self.hub.close)
        self.storage = self.hub.storage
        self.environment["HF_ENDPOINT"] = self.hub.url
        self.files = tiny_model("dinov2", os.urandom(300000))
        self.weights = self.files["model.safetensors"]
        self.hub.add(REPO, COMMIT, self.files)

    def pull(self, *words, **more):
        return self.run_("pull", *(words or [REPO]), **more)

    def part(self):
        return self.repo() / "blobs" / (sha256(self.weights) + ".incomplete")

    def assert_whole(self, name=REPO, commit=COMMIT, files=None):
        snapshot = self.repo(name) / "snapshots" / commit
        for file, data in (files or self.files).items():
            self.assertEqual((snapshot / file).read_bytes(), data, file)

    # -- the layout

    def test_a_pull_leaves_what_python_leaves(self):
        answer = self.pull()
        self.expect(answer, OK)
        repo = self.repo()
        snapshot = repo / "snapshots" / COMMIT
        self.assertEqual(answer.out, str(snapshot.resolve()))
        self.assert_whole()
        self.assertEqual((repo / "refs" / "main").read_text(), COMMIT)
        self.assertEqual(os.readlink(snapshot / "model.safetensors"),
                         "../../blobs/" + sha256(self.weights))
        self.assertEqual(os.readlink(snapshot / "config.json"),
                         "../../blobs/" + git_hash(self.files["config.json"]))
        self.assertEqual(
            sorted(p.name for p in (repo / "blobs").iterdir()),
            sorted([sha256(self.weights), git_hash(self.files["config.json"]),
                    git_hash(self.files["preprocessor_config.json"])]))

    def test_the_processor_of_transformers_5_is_fetched(self):
        files = dict(self.files)
        files["processor_config.json"] = b'{"image_processor": %s}' % \
            files.pop("preprocessor_config.json")
        self.hub.add(REPO, COMMIT, files)
        self.expect(self.pull(), OK)
        self.assert_whole(REPO, COMMIT, files)

    def test_a_revision_with_slashes_is_quoted_and_kept_as_python_does(self):
        self.hub.add(REPO, OTHER, self.files, ref="refs/pr/15")
        self.expect(self.run_("--revision", "refs/pr/15", "pull", REPO), OK)
        self.assertIn("/%s/resolve/refs%%2Fpr%%2F15/config.json" % REPO,
                      self.hub.asked("HEAD"))
        self.assertEqual(
            (self.repo() / "refs/refs/pr/15").read_text(), OTHER)

    def test_a_known_name_is_its_pinned_commit(self):
        files = tiny_model("clip")
        self.hub.add("openai/clip-vit-base-patch32", CLIP, files, "refs/pr/15")
        self.expect(self.pull("clip"), OK)
        self.assert_whole("openai/clip-vit-base-patch32", CLIP, files)
        self.assertTrue(all(CLIP in path for path in self.hub.asked("HEAD")))
        refs = self.repo("openai/clip-vit-base-patch32") / "refs"
        self.assertEqual((refs / "refs/pr/15").read_text(), CLIP)

    def test_a_pinned_commit_leaves_a_newer_main_alone(self):
        self.hub.add("facebook/dinov2-base", DINOV2, self.files)
        main = self.repo("facebook/dinov2-base") / "refs" / "main"
        main.parent.mkdir(parents=True)
        main.write_text(OTHER)
        self.expect(self.pull("dinov2"), OK)
        self.assertEqual(main.read_text(), OTHER)

    def test_a_tokenizer_is_fetched_for_clip_alone(self):
        self.hub.add(REPO, COMMIT, dict(self.files, **{"vocab.json": b"{}"}))
        self.expect(self.pull(), OK)
        self.assertEqual(self.hub.asked("HEAD", "vocab.json"), [])

    def test_shards_are_fetched_by_their_index(self):
        files = tiny_model("dinov2", os.urandom(1000), shards=3)
        self.hub.add(REPO, COMMIT, files)
        self.expect(self.pull(), OK)
        self.assert_whole(files=files)

    def test_a_shard_name_that_is_a_path_is_refused(self):
        for name in ("../../../../x.safetensors", "a/b.safetensors", "..",
                     "", 7):
            files = tiny_model("dinov2", shards=1)
            files["model.safetensors.index.json"] = json.dumps(
                {"weight_map": {"t": name}}).encode()
            self.hub.add(REPO, COMMIT, files)
            shutil.rmtree(self.repo(), ignore_errors=True)
            self.expect(self.pull(), EMODEL, "is no file name")

    def test_progress_counts_the_bytes_of_each_file(self):
        seen = [line for line in self.pull().progress
                if line.startswith("model.safetensors ")]
        self.assertIn("model.safetensors 300000/300000", seen)

    def test_a_disc_without_links_gets_the_files_themselves(self):
        shim = BUILD / "tests" / "libnolinks.so"
        if not shim.exists():
            self.skipTest("a sanitizer build cannot preload")
        self.expect(self.pull(env={"LD_PRELOAD": str(shim)}), OK)
        self.assert_whole()
        snapshot = self.repo() / "snapshots" / COMMIT
        self.assertFalse((snapshot / "model.safetensors").is_symlink())

    # -- what is here already

    def test_a_commit_that_is_here_needs_no_hub(self):
        self.expect(self.pull(REPO + "@" + COMMIT), OK)
        self.hub.log.clear()
        self.expect(self.pull(REPO + "@" + COMMIT), OK)
        self.assertEqual(self.hub.log, [])

    def test_a_file_that_a_commit_lacks_is_not_asked_for_again(self):
        self.hub.add(REPO, COMMIT, tiny_model("clip"))
        self.expect(self.pull(), OK)
        absent = self.repo() / ".no_exist" / COMMIT / "tokenizer.json"
        self.assertTrue(absent.exists())
        self.hub.log.clear()
        self.expect(self.pull(REPO + "@" + COMMIT), OK)
        self.assertEqual(self.hub.log, [])

    def test_a_branch_that_has_not_moved_is_not_downloaded_again(self):
        self.pull()
        self.hub.log.clear()
        self.storage.log.clear()
        link = self.repo() / "snapshots" / COMMIT / "config.json"
        made = os.lstat(link).st_ctime_ns
        self.expect(self.pull(), OK)
        self.assertEqual(self.storage.log, [])
        self.assertEqual(len(self.hub.asked("HEAD", "/resolve/")), 1)
        self.assertEqual(os.lstat(link).st_ctime_ns, made)

    def test_a_moved_branch_shares_the_blobs_that_stayed(self):
        self.pull()
        self.storage.log.clear()
        self.hub.add(REPO, OTHER, dict(self.files, **{
            "preprocessor_config.json": b"{}"}))
        self.expect(self.pull(), OK)
        self.assertEqual(self.storage.log, [])
        self.assertEqual((self.repo() / "refs/main").read_text(), OTHER)

    def test_a_blob_of_another_size_is_fetched_again(self):
        blob = self.repo() / "blobs" / sha256(self.weights)
        blob.parent.mkdir(parents=True)
        blob.write_bytes(self.weights[:1000])
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_main_moves_only_when_all_is_here(self):
        self.pull()
        weights = os.urandom(1000)
        self.hub.add(REPO, OTHER, dict(self.files, **{
            "model.safetensors": weights}))
        self.storage.order(status(403))
        self.expect(self.pull(), ENETWORK)
        self.assertEqual((self.repo() / "refs/main").read_text(), COMMIT)

    # -- the token

    def test_the_token_goes_to_the_hub_and_never_to_the_storage(self):
        self.expect(self.pull(env={"HF_TOKEN": "hf_secret"}), OK)
        for _, path, headers in self.hub.log:
            self.assertEqual(headers.get("Authorization"), "Bearer hf_secret",
                             path)
        self.assertTrue(self.storage.log)
        for _, path, headers in self.storage.log:
            self.assertNotIn("hf_secret", path + str(headers))

    def test_the_token_of_the_login_file_is_used(self):
        token = self.home / ".cache/huggingface/token"
        token.parent.mkdir(parents=True)
        token.write_text("hf_file\n")
        self.expect(self.pull(), OK)
        self.assertEqual(self.hub.log[0][2]["Authorization"], "Bearer hf_file")

    def test_a_token_with_a_newline_in_it_is_refused(self):
        answer = self.pull(env={"HF_TOKEN": "hf_a\r\nX-Evil: 1"})
        self.expect(answer, EUSAGE, "HF_TOKEN")
        self.assertEqual(self.hub.log, [])

    # -- lines that break

    def test_a_cut_line_is_taken_up_again_by_range(self):
        self.storage.order(cut_after(100000))
        self.expect(self.pull(), OK)
        self.assert_whole()
        self.assertEqual([headers.get("Range")
                          for _, _, headers in self.storage.log],
                         [None, "bytes=100000-"])

    def test_the_next_pull_goes_on_where_the_last_one_broke(self):
        self.storage.order(cut_after(100000))
        self.storage.order(status(403))
        answer = self.pull()
        self.expect(answer, ENETWORK, "403",
                    "100000 of 300000 bytes of model.safetensors are kept")
        self.assertEqual(self.part().read_bytes(), self.weights[:100000])
        self.storage.log.clear()
        self.expect(self.pull(), OK)
        self.assert_whole()
        self.assertEqual(self.storage.log[0][2]["Range"], "bytes=100000-")

    def test_a_storage_that_ignores_range_is_read_from_the_start(self):
        self.storage.order(cut_after(100000))
        self.storage.order(body(self.weights))
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_a_storage_that_refuses_the_range_is_read_from_the_start(self):
        self.storage.order(cut_after(100000))
        self.storage.order(status(416))
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_a_range_from_elsewhere_is_not_appended(self):
        self.storage.order(cut_after(100000))
        self.storage.order(lambda request: request.send(
            206, [("Content-Range", "bytes 5-299999/300000")],
            self.weights[5:]))
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_a_body_that_ends_early_without_a_length_is_taken_up_again(self):
        def answer(request):
            request.send_response(200)
            request.send_header("Connection", "close")
            request.end_headers()
            request.wfile.write(self.weights[:100000])
            request.close_connection = True

        self.storage.order(answer)
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_silence_ends_and_the_rest_is_fetched(self):
        again = threading.Event()
        gave_up = []

        def silent(request):
            stall_after(100000, 25, again)(request)
            gave_up.append(again.is_set())

        def rest(request):
            again.set()
            self.storage.usual(request)

        self.storage.order(silent)
        self.storage.order(rest)
        self.expect(self.pull(env={"HF_HUB_DOWNLOAD_TIMEOUT": "1"}), OK)
        self.assert_whole()
        self.assertNotIn(False, gave_up)

    def test_what_an_earlier_pull_left_damaged_is_fetched_anew(self):
        self.part().parent.mkdir(parents=True)
        self.part().write_bytes(b"x" * 100000)
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_a_part_that_is_too_long_is_fetched_anew(self):
        self.part().parent.mkdir(parents=True)
        self.part().write_bytes(self.weights + b"more")
        self.expect(self.pull(), OK)
        self.assert_whole()

    # -- servers that lie

    def test_wrong_bytes_are_refused_with_both_hashes(self):
        wrong = b"z" * len(self.weights)
        self.storage.order(body(wrong))
        self.expect(self.pull(), EFORMAT, sha256(wrong), sha256(self.weights))
        snapshot = self.repo() / "snapshots" / COMMIT
        self.assertFalse((snapshot / "model.safetensors").exists())
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_wrong_bytes_of_a_small_file_are_refused(self):
        self.hub.order(body(b'{"model_type":"clip  "}'), "GET", "config.json")
        self.expect(self.pull(), EFORMAT,
                    git_hash(self.files["config.json"]))

    def declare(self, *headers):
        """The hub's answer to HEAD of the weights, with other headers."""
        usual = {"X-Repo-Commit": COMMIT,
                 "X-Linked-Size": str(len(self.weights)),
                 "X-Linked-Etag": '"%s"' % sha256(self.weights),
                 "Location": self.storage.url + "/" + sha256(self.weights)}
        usual.update(headers)
        self.hub.order(status(302, *usual.items()), "HEAD", "model.safetensors",
                       once=False)

    def test_more_than_was_declared_is_never_written(self):
        self.declare(("X-Linked-Size", "1000"))
        self.expect(self.pull(), EFORMAT, "more than the 1000 bytes")
        self.assertLessEqual(self.part().stat().st_size, 1000)

    def test_less_than_was_declared_is_refused(self):
        self.declare(("X-Linked-Size", "300001"))
        self.storage.order(body(self.weights, ("Retry-After", "1")), once=False)
        self.expect(self.pull(), EFORMAT, "sent 300000 bytes and declared")

    def test_a_size_beyond_the_disc_is_refused_before_the_first_byte(self):
        self.declare(("X-Linked-Size", str(10**17)))
        self.expect(self.pull(), EIO, "needs 100000000000000000 bytes", "free")
        self.assertEqual(self.storage.log, [])

    def test_a_hash_that_is_a_path_is_refused(self):
        for path in ("../../../x", "../" * 21 + "x", "../" * 13 + "x"):
            self.hub.plan.clear()
            self.declare(("X-Linked-Etag", '"%s"' % path))
            self.expect(self.pull(), EFORMAT, "declares no hash")

    def test_a_commit_that_is_a_path_is_refused(self):
        self.hub.order(status(200, ("X-Repo-Commit", "../../x"),
                              ("ETag", '"%s"' % COMMIT)), "HEAD")
        self.expect(self.pull(), ENETWORK, "names no commit")

    def test_another_commit_than_asked_for_is_refused(self):
        self.hub.order(status(200, ("X-Repo-Commit", OTHER),
                              ("ETag", '"%s"' % COMMIT)), "HEAD")
        self.expect(self.pull(REPO + "@" + COMMIT), EFORMAT, OTHER, COMMIT)

    def test_a_portal_that_answers_everything_is_not_taken_for_the_hub(self):
        self.hub.order(body(b"<html>log in</html>"), once=False)
        self.expect(self.pull(), ENETWORK, "not the hub's", "proxy")

    def test_endless_headers_are_refused(self):
        padding = [("X-%d" % i, "x" * 1000) for i in range(90)]
        self.declare(*padding)
        self.expect(self.pull(), ENETWORK)
        self.assertEqual(self.storage.log, [])

    def test_a_small_file_that_is_huge_is_refused(self):
        self.hub.order(status(200, ("X-Repo-Commit", COMMIT),
                              ("X-Linked-Size", "99999999"),
                              ("ETag", '"%s"' % COMMIT)), "HEAD")
        self.expect(self.pull(), ELIMIT, "99999999 bytes (limit 67108864)")

    def test_a_redirect_to_a_file_of_this_machine_is_refused(self):
        self.hub.order(status(302, ("Location", "file:///etc/passwd")), "GET",
                       "model.safetensors")
        self.expect(self.pull(), ENETWORK, "rotocol")

    def test_redirects_in_a_circle_end(self):
        self.hub.order(lambda request: request.send(
            302, [("Location", request.path)]), "HEAD", once=False)
        self.expect(self.pull(), ENETWORK, "redirects")

    # -- servers that say no

    def test_401_names_the_token(self):
        self.expect(self.pull("nobody/nothing"), ENETWORK, "401", "HF_TOKEN")

    def test_403_names_the_terms_and_the_token(self):
        self.hub.order(status(403, ("X-Error-Code", "GatedRepo")))
        self.expect(self.pull(), ENETWORK, "403", "terms", "HF_TOKEN",
                    "huggingface.co/" + REPO)

    def test_404_of_a_revision_names_it(self):
        self.expect(self.pull(REPO + "@v9"), ENOTFOUND, "no revision v9")

    def test_404_of_a_repository_names_it(self):
        self.hub.order(status(404))
        self.expect(self.pull(), ENOTFOUND, REPO, "no such repository")

    def test_429_waits_as_long_as_it_is_asked_to(self):
        self.hub.order(status(429, ("Retry-After", "2")))
        start = time.monotonic()
        self.expect(self.pull(), OK)
        self.assertGreater(time.monotonic() - start, 2)

    def test_503_is_asked_again(self):
        self.hub.order(status(503))
        self.storage.order(status(503))
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_503_for_good_ends_with_the_answer(self):
        self.hub.order(status(503, ("Retry-After", "1")), once=False)
        self.expect(self.pull(), ENETWORK, "503")
        self.assertEqual(len(self.hub.log), 5)

    def test_a_wait_beyond_a_minute_is_not_waited(self):
        self.hub.order(status(429, ("Retry-After", "3600")))
        self.expect(self.pull(), ENETWORK, "3600 seconds (limit 60)")

    def test_a_model_of_another_kind_is_refused_before_its_weights(self):
        self.hub.add(REPO, COMMIT, tiny_model("bert"))
        self.expect(self.pull(), EMODEL, "bert", "dinov2")
        self.assertEqual(self.storage.log, [])

    def test_a_repository_of_pickles_is_named_as_such(self):
        files = tiny_model("clip")
        files["pytorch_model.bin"] = files.pop("model.safetensors")
        self.hub.add(REPO, COMMIT, files)
        self.expect(self.pull(), EMODEL, "no model.safetensors", "discussions",
                    "refs/pr/N")

    # -- no network, no disc, no patience

    def test_no_network_names_the_way_by_hand(self):
        answer = self.pull(env={"HF_ENDPOINT": "http://127.0.0.1:9"})
        self.expect(answer, ENETWORK, "config.json", "model.safetensors",
                    "https://huggingface.co/%s/tree/main" % REPO, "--model")

    def test_a_proxy_is_used(self):
        # To a proxy the whole address is the path of the request.
        proxy = hub_server.Server()
        self.addCleanup(proxy.close)

        def forward(request):
            request.path = request.path.split("hub.example", 1)[1]
            self.hub.usual(request)

        proxy.usual = forward
        answer = self.pull(env={"HF_ENDPOINT": "http://hub.example",
                                "http_proxy": proxy.url})
        self.expect(answer, OK)
        self.assertIn("http://hub.example/%s/resolve/main/config.json" % REPO,
                      proxy.asked("HEAD"))

    def test_offline_asks_nobody(self):
        answer = self.run_("--offline", "pull", REPO)
        self.expect(answer, ENOTFOUND, "no weights at hand")
        self.pull()
        self.hub.log.clear()
        self.expect(self.run_("--offline", "pull", REPO), OK)
        self.expect(self.pull(env={"HF_HUB_OFFLINE": "1"}), OK)
        self.assertEqual(self.hub.log, [])

    def test_offline_names_the_shard_that_is_missing(self):
        self.hub.add(REPO, COMMIT, tiny_model("dinov2", shards=2))
        self.pull()
        shard = "model-00002-of-00002.safetensors"
        os.remove(self.repo() / "snapshots" / COMMIT / shard)
        self.expect(self.run_("--offline", "pull", REPO), ENOTFOUND, shard)

    def test_a_full_disc_is_told_and_what_came_is_kept(self):
        def limit():
            resource.setrlimit(resource.RLIMIT_FSIZE, (100000, 100000))

        # Python ignores SIGXFSZ; so must the program, to see the error.
        answer = self.pull(preexec_fn=limit, restore_signals=False)
        self.expect(answer, EIO, ".incomplete", "not written")
        self.assertEqual(self.part().read_bytes(), self.weights[:100000])
        self.expect(self.pull(), OK)
        self.assert_whole()

    def test_a_stop_keeps_what_came(self):
        ended = threading.Event()
        stopped_first = []

        def silent(request):
            stall_after(100000, 25, ended)(request)
            stopped_first.append(ended.is_set())

        self.storage.order(silent)
        answer = self.run_("--stop", "100000", "pull", REPO)
        ended.set()
        self.expect(answer, ECANCELLED, "stopped")
        self.assertEqual(self.part().read_bytes(), self.weights[:100000])
        self.assertNotIn(False, stopped_first)

    def test_two_pulls_at_once_fetch_the_weights_once(self):
        # The first to come is held until the second has asked for the weights.
        second = threading.Event()
        usual = self.storage.usual
        heads = []

        def slow(request):
            second.wait(20)
            usual(request)

        def count(request):
            heads.append(1)
            if len(heads) == 2:
                second.set()
            self.hub.usual(request)

        self.storage.usual = slow
        self.hub.order(count, "HEAD", "model.safetensors", once=False)
        both = [self.start("pull", REPO) for _ in range(2)]
        for process in both:
            _, error = process.communicate(timeout=60)
            self.assertEqual(process.returncode, OK, error)
        self.assertEqual(len(self.storage.log), 1)
        self.assert_whole()


class Finding(Case):
    """Caches as Python leaves them, and folders."""

    def snapshot(self, commit, ref=None, name="openai/clip-vit-base-patch32",
                 **files):
        repo = self.repo(name)
        folder = repo / "snapshots" / commit
        folder.mkdir(parents=True, exist_ok=True)
        (repo / "blobs").mkdir(exist_ok=True)
        for number, (file, text) in enumerate(files.items()):
            blob = repo / "blobs" / ("%040x" % abs(hash((commit, file))))
            blob.write_text(text)
            os.symlink("../../blobs/" + blob.name,
                       folder / file.replace("_DOT_", "."))
        if ref:
            path = repo / "refs" / ref
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(commit)
        return folder

    def found(self, *words):
        answer = self.run_("file", *words)
        self.expect(answer, OK)
        return answer.out.split("\n")

    def test_config_of_main_goes_with_weights_of_the_pull_request(self):
        main = self.snapshot(COMMIT, "main", config_DOT_json="{}",
                             pytorch_model_DOT_bin="x")
        self.snapshot(CLIP, "refs/pr/15", model_DOT_safetensors="w")
        self.assertEqual(self.found("clip", "config.json"),
                         ["clip", CLIP, str(main.resolve() / "config.json")])

    def test_files_beside_the_weights_come_first(self):
        self.snapshot(COMMIT, "main", config_DOT_json="{}")
        other = self.snapshot(OTHER, config_DOT_json="{}",
                              model_DOT_safetensors="w")
        self.assertEqual(self.found("clip", "config.json"),
                         ["clip", OTHER, str(other.resolve() / "config.json")])

    def test_the_pinned_commits_weights_come_before_mains(self):
        self.snapshot(COMMIT, "main", config_DOT_json="{}",
                      model_DOT_safetensors="w")
        self.snapshot(CLIP, config_DOT_json="{}", model_DOT_safetensors="w")
        self.assertEqual(self.found("clip", "config.json")[1], CLIP)

    def test_without_the_pinned_commit_mains_weights_serve(self):
        self.snapshot(COMMIT, config_DOT_json="{}", model_DOT_safetensors="w")
        self.snapshot(OTHER, "main", config_DOT_json="{}",
                      model_DOT_safetensors="w")
        self.assertEqual(self.found("clip", "config.json")[1], OTHER)

    def test_a_revision_asked_for_is_never_answered_with_another(self):
        self.snapshot(COMMIT, "main", config_DOT_json="{}",
                      model_DOT_safetensors="w")
        self.expect(self.run_("find", "clip@v2"), ENOTFOUND, "clip@v2",
                    "akin model pull clip@v2")
        self.expect(self.run_("--revision", OTHER, "find", "clip"), ENOTFOUND,
                    "pull clip --revision " + OTHER)

    def test_only_a_pickle_is_told(self):
        self.snapshot(COMMIT, "main", config_DOT_json="{}",
                      pytorch_model_DOT_bin="x")
        self.expect(self.run_("find", "clip"), EMODEL, "only pytorch_model.bin",
                    "akin model pull clip")

    def test_a_link_whose_blob_is_gone_is_no_file(self):
        folder = self.snapshot(CLIP, config_DOT_json="{}",
                               model_DOT_safetensors="w")
        os.remove((folder / "model.safetensors").resolve())
        self.expect(self.run_("find", "clip"), ENOTFOUND, "akin model pull")

    def test_a_snapshots_folder_given_as_a_path_is_the_model(self):
        main = self.snapshot(COMMIT, "main", config_DOT_json="{}")
        pinned = self.snapshot(CLIP, model_DOT_safetensors="w")
        self.assertEqual(
            self.found(str(pinned), "config.json"),
            ["openai/clip-vit-base-patch32", CLIP,
             str(main.resolve() / "config.json")])

    def test_a_snapshots_own_files_come_before_its_siblings(self):
        self.snapshot(COMMIT, "main", config_DOT_json="{}")
        own = self.snapshot(CLIP, config_DOT_json="{}",
                            model_DOT_safetensors="w")
        self.assertEqual(self.found(str(own), "config.json")[2],
                         str(own.resolve() / "config.json"))

    def test_the_environment_says_where_the_cache_is(self):
        self.snapshot(CLIP, config_DOT_json="{}", model_DOT_safetensors="w")
        elsewhere = self.home / "disc"
        elsewhere.mkdir()
        (self.home / ".cache/huggingface").rename(elsewhere / "huggingface")
        for name, value in (("XDG_CACHE_HOME", elsewhere),
                            ("HF_HOME", elsewhere / "huggingface"),
                            ("HF_HOME", "~/disc/huggingface"),
                            ("HF_HUB_CACHE", elsewhere / "huggingface/hub")):
            answer = self.run_("find", "clip", env={name: str(value)})
            self.expect(answer, OK)
        self.expect(self.run_("find", "clip"), ENOTFOUND)

    def folder(self, *parts):
        folder = self.home.joinpath(*parts)
        folder.mkdir(parents=True)
        (folder / "config.json").write_text("{}")
        (folder / "model.safetensors").write_text("w")
        return folder

    def test_a_folder_is_known_by_its_own_name(self):
        folder = self.folder("models", "mine")
        name, revision, path = self.found("models/mine", "config.json")
        self.assertEqual((name, revision), ("mine", ""))
        self.assertEqual(path, str(folder.resolve() / "config.json"))

    def test_a_folder_of_the_data_folder_is_a_name(self):
        self.folder(".local/share/akin/models/starter")
        self.assertEqual(self.found("starter", "config.json")[0], "starter")
        self.expect(self.run_("find", "starter",
                              env={"XDG_DATA_HOME": "/nowhere"}), ENOTFOUND,
                    "./run demo")

    def test_a_link_in_the_data_folder_is_a_name(self):
        folder = self.folder("disc", "clip-b32")
        link = self.home / ".local/share/akin/models/mine"
        link.parent.mkdir(parents=True)
        link.symlink_to(folder)
        name, _, path = self.found("mine", "config.json")
        self.assertEqual((name, path),
                         ("mine", str(folder.resolve() / "config.json")))

    def test_a_folder_without_weights_says_what_it_lacks(self):
        folder = self.folder("a")
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        self.expect(self.run_("find", "./a"), EMODEL, "only pytorch_model.bin")
        (folder / "config.json").unlink()
        self.expect(self.run_("find", "./a"), ENOTFOUND, "no config.json")

    def test_a_file_is_no_folder(self):
        folder = self.folder("a")
        self.expect(self.run_("find", "a/model.safetensors"), ENOTFOUND,
                    "is no folder", str("a/model.safetensors"))
        self.assertTrue(folder)

    def test_a_file_name_that_is_a_path_is_never_found(self):
        self.folder("a")
        self.folder("b")
        self.assertEqual(self.found("./a", "../b/config.json")[2], "-")

    def test_names_that_lead_out_of_the_cache_are_refused(self):
        for name in ("../x", "a/..", "a/b@../../x", "a/b@/etc", "a--b/c",
                     "a/b\n", "a/b@v\n"):
            answer = self.run_("find", name)
            self.assertIn(answer.code, (EUSAGE, ENOTFOUND), name)
            self.assertNotIn("at hand", answer.error)


if __name__ == "__main__":
    unittest.main()
