"""The errors that end the process before it begins.

StartupError
├── SettingsError             an option or its variable (config)
├── WatchesError              watches.yaml (config)
├── EnvironmentVariableError  a variable of AWS (runs)
├── TemporaryDirectoryError   $TMPDIR (runs)
├── ListenError               a port for probes or metrics (telemetry)
├── CertificateError          the certificate of the metrics (telemetry)
└── NoClusterError            no API server is named; a KubernetesError, too (cluster)
"""

from __future__ import annotations


class StartupError(Exception):
    """The runner cannot begin; the text is one line that names what is wrong and what to set."""
