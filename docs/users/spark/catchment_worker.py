"""`catchment batch` as a function for PySpark's `mapInArrow`: one process per partition, which reads the rows from
a pipe.

No rows are written to disk, and only a few batches are in memory at the same time. Spark distributes this file, the program and the
dataset to its executors; see docs/users/spark.md.
"""

import os
import subprocess
import threading
import zipfile

import pyarrow as pa
from pyspark import SparkFiles


def answered_schema(program, schema, options=()):
    """Returns the output schema for a DataFrame with this Spark schema, by running the program without rows."""
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, to_arrow_schema(schema)).close()
    command = [program, "batch", "-", "--format", "arrow", "--quiet", *options]
    done = subprocess.run(command, input=sink.getvalue().to_pybytes(), stdout=subprocess.PIPE, check=True)
    return from_arrow_schema(pa.ipc.open_stream(done.stdout).schema)


def answering(program="catchment", dataset=None, options=()):
    """Returns a function for `mapInArrow`. `program` and `dataset` are names of files that were added with
    `SparkContext.addFile`. `dataset` is a dataset folder or a zip archive of a dataset folder; if it is None, the
    embedded dataset is used."""

    def answer(batches):
        batches = iter(batches)
        first = next(batches, None)
        # A partition without rows has no schema, and an Arrow stream must start with a schema.
        if first is None:
            return
        command = [make_executable(SparkFiles.get(program)), "batch", "-", "--format", "arrow", "--quiet", "--threads", "1"]
        if dataset is not None:
            command += ["--data", extract_dataset(SparkFiles.get(dataset))]
        worker = subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        sender = Sender(worker.stdin, first, batches)
        sender.start()
        try:
            try:
                with pa.ipc.open_stream(worker.stdout) as answers:
                    yield from answers
            except pa.ArrowInvalid:
                # The stream was truncated; the exit status and standard error say why.
                if worker.wait() == 0:
                    raise
            sender.join()
            if sender.error is not None:
                raise sender.error
            # A truncated stream can look complete, so the exit status is checked.
            code = worker.wait()
            if code not in (0, 3):  # 3: the batch is complete, but has bad rows
                raise RuntimeError(f"catchment batch failed with exit status {code}: see the standard error of the executor")
        finally:
            # This also runs if Spark needs no more rows.
            worker.kill()
            worker.wait()
            worker.stdout.close()

    return answer


class Sender(threading.Thread):
    """Sends batches while the output is read, so that full pipes do not cause a deadlock."""

    def __init__(self, pipe, first, others):
        super().__init__(daemon=True)
        self.pipe, self.first, self.others, self.error = pipe, first, others, None

    def run(self):
        try:
            with self.pipe, pa.ipc.new_stream(self.pipe, self.first.schema) as stream:
                stream.write_batch(self.first)
                for batch in self.others:
                    stream.write_batch(batch)
        except BrokenPipeError:
            pass  # The program has exited; its exit status says why.
        except BaseException as error:
            self.error = error


def make_executable(path):
    """Makes the file executable: `addFile` does not preserve permissions."""
    if not os.access(path, os.X_OK):
        os.chmod(path, 0o755)
    return path


def extract_dataset(path):
    """Returns the folder of a dataset. A zip archive is extracted once, into a folder beside it."""
    if os.path.isdir(path):
        return path
    folder = path + ".extracted"
    if not os.path.isdir(folder):
        own_folder = f"{folder}.{os.getpid()}"
        with zipfile.ZipFile(path) as archive:
            archive.extractall(own_folder)
        try:
            os.rename(own_folder, folder)
        except OSError:
            pass  # Another worker has already extracted the archive; its copy is the same.
    return folder
