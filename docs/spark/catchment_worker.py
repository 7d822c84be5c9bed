"""`catchment batch` as the function of PySpark's `mapInArrow`: a process for each partition, rows through pipes.

Nothing of a row touches a disk, and memory is that of a few batches. Spark ships this file, the program and the
dataset to its executors; see docs/spark.md.
"""

import os
import subprocess
import threading
import zipfile

import pyarrow as pa
from pyspark import SparkFiles


def answered_schema(program, schema, options=()):
    """The columns of a DataFrame with this Spark schema once they are answered. Runs the program on no rows."""
    from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

    sink = pa.BufferOutputStream()
    pa.ipc.new_stream(sink, to_arrow_schema(schema)).close()
    command = [program, "batch", "-", "--format", "arrow", "--quiet", *options]
    done = subprocess.run(command, input=sink.getvalue().to_pybytes(), stdout=subprocess.PIPE, check=True)
    return from_arrow_schema(pa.ipc.open_stream(done.stdout).schema)


def answering(program="catchment", dataset=None, options=()):
    """A function for `mapInArrow`. `program` and `dataset` are names of files given to `SparkContext.addFile`;
    `dataset` is a folder, or a zip of one; without it the dataset in the program answers."""

    def answer(batches):
        batches = iter(batches)
        first = next(batches, None)
        # A partition without rows has no schema to begin a stream with.
        if first is None:
            return
        command = [executable(SparkFiles.get(program)), "batch", "-", "--format", "arrow", "--quiet", "--threads", "1"]
        if dataset is not None:
            command += ["--data", unpacked(SparkFiles.get(dataset))]
        worker = subprocess.Popen([*command, *options], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        sender = Sender(worker.stdin, first, batches)
        sender.start()
        try:
            try:
                with pa.ipc.open_stream(worker.stdout) as answers:
                    yield from answers
            except pa.ArrowInvalid:
                # Cut short, of which the status and the words on standard error say why.
                if worker.wait() == 0:
                    raise
            sender.join()
            if sender.fault is not None:
                raise sender.fault
            # A stream that breaks off can look whole: the exit status says whether it is.
            code = worker.wait()
            if code not in (0, 3):  # 3: done, and some rows were bad
                raise RuntimeError(f"catchment batch ended with status {code}")
        finally:
            # Where Spark wants no more rows, too.
            worker.kill()
            worker.wait()
            worker.stdout.close()

    return answer


class Sender(threading.Thread):
    """Sends batches while the answers are read: neither waits for the other with a full pipe."""

    def __init__(self, pipe, first, others):
        super().__init__(daemon=True)
        self.pipe, self.first, self.others, self.fault = pipe, first, others, None

    def run(self):
        try:
            with self.pipe, pa.ipc.new_stream(self.pipe, self.first.schema) as stream:
                stream.write_batch(self.first)
                for batch in self.others:
                    stream.write_batch(batch)
        except BrokenPipeError:
            pass  # The program has ended, and its status says why.
        except BaseException as fault:
            self.fault = fault


def executable(path):
    """`addFile` keeps no permissions."""
    if not os.access(path, os.X_OK):
        os.chmod(path, 0o755)
    return path


def unpacked(path):
    """The folder of a dataset; where it is a zip, unpacked beside it once."""
    if os.path.isdir(path):
        return path
    folder = path + ".unpacked"
    if not os.path.isdir(folder):
        own = f"{folder}.{os.getpid()}"
        with zipfile.ZipFile(path) as archive:
            archive.extractall(own)
        try:
            os.rename(own, folder)
        except OSError:
            pass  # Another worker was first; its copy is as good.
    return folder
