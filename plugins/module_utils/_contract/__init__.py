# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the collection and the runner agree on: kinds, names, targets, ownership marks, items, results and reasons.

Also what is checked of TLS certificates, and how requests that fail are named. It imports the standard library and
nothing else, runs on Python 3.9, and uses relative imports only: the runner's package carries the same files under the
name kube_ecr_runner.contract. Everything here is pure, but for service_account.py, which reads the files of a pod,
login_program.py, which runs the program that a kubeconfig names, and renewed_token.py, which keeps a thread waiting.
"""
