# Copyright: kube_ecr.secrets contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""One file for each module: its options and the function that the module and its action plugin share.

options.py has options that several modules have, runtime.py runs such a function as a module. May import everything
else in module_utils.
"""
