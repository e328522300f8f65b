"""What can go wrong in a way that the user can mend.

The text of each says what was wrong, what was found, what is allowed and what to do. The command
line prints it without a traceback.
"""

from __future__ import annotations


class EdgeAscError(Exception):
    """Base of every error that is the user's to mend."""


class AudioError(EdgeAscError):
    """Sound that cannot be read or used."""


class SourceError(EdgeAscError):
    """A live source of sound (microphone, PortAudio) that is missing or stopped."""


class ContextError(EdgeAscError):
    """A scene, city or time that is not known."""


class ModelFileError(EdgeAscError):
    """A model file that is damaged, foreign, or newer than this program."""


class SignatureError(ModelFileError):
    """A model file that is not signed by the trusted key, or was changed since."""


class KeyFileError(EdgeAscError):
    """A key for signing or checking models that is missing, unsafe, or of another kind."""


class UpdateError(EdgeAscError):
    """A model that could not be installed, or nothing to go back to."""


class InterpreterError(EdgeAscError):
    """No TFLite interpreter, or one that cannot run the model."""


class DataError(EdgeAscError):
    """A data set whose table or files are not as described."""


class CheckpointError(EdgeAscError):
    """A checkpoint that is damaged, or of another network."""


class ExportError(EdgeAscError):
    """A model that could not be exported, or came out too different from its checkpoint."""
