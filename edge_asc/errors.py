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


class MissingLibraryError(SourceError):
    """A library of the system that live sound needs: waiting does not bring it."""


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


class ServiceError(EdgeAscError):
    """A systemd service that cannot be installed, removed or asked."""


class ConfigError(EdgeAscError):
    """A configuration file or environment variable that is wrong: wrong usage, exit code 2."""


class RecordError(EdgeAscError):
    """Clips that cannot be written: no room, no permission, a folder that is in use."""


class OutputError(EdgeAscError):
    """A message that an output could not take, and never will."""


class OutputUnavailableError(OutputError):
    """What an output sends to is away: the message is to be offered again."""


class PlotError(EdgeAscError):
    """A log of which no picture can be drawn."""


class ProbeError(EdgeAscError):
    """Something that the doctor tried in another process, and that failed there."""

    def __init__(self, text: str, advice: str = "") -> None:
        """`advice`: what to do, "" if the text says it."""
        super().__init__(text)
        self.advice = advice


class FirmwareError(EdgeAscError):
    """A model, tool or board that no firmware can be made with, or firmware that errs."""


class LinkError(EdgeAscError):
    """A microcontroller on a serial link that does not answer, or speaks another version."""
