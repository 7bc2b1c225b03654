"""Photos as the video of a camera, and the folder of a page as a server gives it."""

import contextlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
from PIL import Image


def write_video(path, photos, size=(320, 240), frames=10, rate=10):
    """Write a video of photos, each shown for so many frames; a camera of Chromium's begins anew.

    It shows `rate` frames a second.

    YUV4MPEG2 needs no encoder, and loses nothing but colours between pixels.
    """
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{size[0]} H{size[1]} F{rate}:1 Ip A1:1 C420jpeg\n".encode())
        for photo in photos:
            with Image.open(photo) as image:
                planes = image.convert("RGB").resize(size).convert("YCbCr").split()
            luma, *colours = planes
            small = [each.resize((size[0] // 2, size[1] // 2)) for each in colours]
            frame = b"".join(np.asarray(each).tobytes() for each in (luma, *small))
            file.write(frames * (b"FRAME\n" + frame))
    return path


@contextlib.contextmanager
def served(folder):
    """Serve a folder as `python -m http.server` does; give its address."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *about):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=folder))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()
