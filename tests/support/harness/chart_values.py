"""Sets of values of the chart, each with something that another has not: all that is rendered of them is tested."""

from __future__ import annotations

from tests.support.harness.helm import Values

DIGEST = f"sha256:{'0123456789abcdef' * 4}"
AMOUNT = {"requests": {"cpu": "1"}, "limits": {"memory": "1Gi"}}
TWO = {"replicas": 2, "podDisruptionBudget": {"enabled": True}}
MONITORED: Values = {
    "serviceMonitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "scrapeTimeout": "10s",
        "relabelings": [{"action": "labeldrop", "regex": "pod"}],
        "metricRelabelings": [{"action": "drop", "sourceLabels": ["__name__"], "regex": "process_.*"}],
    },
    "prometheusRule": {
        "enabled": True,
        "alertLabels": {"team": "platform"},
        "disabled": ["PullSecretWatchSilent"],
        "extraRules": [{"alert": "Mine", "expr": "vector(1)"}],
    },
    "dashboard": {"enabled": True, "annotations": {"folder": "AWS"}},
}
ENTRY = {
    "version": "v1alpha2",
    "group": "aws.zakariaamine.com",
    "kind": "AWSECRImagePullSecret",
    "playbook": "site.yml",
}
# Each of these is rendered, and all that comes of it handed to the API server.
MATRIX: dict[str, Values] = {
    "defaults": {},
    "names": {"fullnameOverride": "other", "nameOverride": "named", "serviceAccount": {"name": "mine"}},
    "digits": {"fullnameOverride": "1234", "nameOverride": "12", "commonLabels": {"a": "1"}},
    "metadata": {
        "commonLabels": {"a": "b"},
        "commonAnnotations": {"a": "b"},
        "podLabels": {"c": "d"},
        "podAnnotations": {"e": "f"},
        "annotations": {"g": "h"},
    },
    "replicas": TWO,
    "budget-min": {**TWO, "podDisruptionBudget": {"enabled": True, "minAvailable": 1}},
    "budget-max": {**TWO, "podDisruptionBudget": {"enabled": True, "maxUnavailable": "50%"}},
    "nothing": {"replicas": 0, "strategy": {"type": "Recreate"}, "service": {"enabled": False}},
    "cronjob": {"mode": "cronjob", "cronJob": {"timeZone": "Europe/Berlin", "suspend": True}},
    "image": {
        "image": {"registry": "registry.example.com", "repository": "a/b", "tag": "1", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "regcred"}],
    },
    "digest": {"image": {"digest": DIGEST, "tag": "ignored"}},
    "runner": {
        "runner": {
            "logLevel": "debug",
            "logFormat": "json",
            "allowedAwsIdentities": ["runner", "arn:aws:iam::1:*"],
            "awsEndpointUrl": "http://localhost:4566",
            "selector": "shard in (a, b)",
            "batchWindow": 1.5,
            "batchSize": 1000000,
            "forks": 20,
            "ansibleVerbosity": 4,
            "ansibleArgs": "--diff --force-handlers",
            "runTimeout": 600,
            "watchSilence": 120,
            "standBy": False,
            "watchPods": False,
        }
    },
    "recover-pods": {"runner": {"recoverPods": True}},
    "proxy": {"proxy": {"httpProxy": "http://proxy:3128", "httpsProxy": "http://proxy:3128"}},
    "environment": {
        "extraEnv": [{"name": "AWS_CA_BUNDLE", "value": "/ca/ca.crt"}],
        "extraEnvFrom": [{"secretRef": {"name": "env"}}],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/ca", "readOnly": True}],
    },
    "watches": {
        "watches": {
            "entries": [{**ENTRY, "vars": {"a": {"b": "{{ c }}"}}, "snakeCaseParameters": True}],
            "files": {"site.yml": "- hosts: all\n"},
            "vaultPasswordSecret": {"name": "vault", "key": "pass"},
        }
    },
    "pod": {
        "priorityClassName": "",
        "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}],
        "affinity": {"nodeAffinity": {}},
        "resources": AMOUNT,
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.10"]},
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["sts"]}],
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}],
        "podSecurityContext": {"runAsUser": 1234, "runAsGroup": 1234, "fsGroup": 1234},
        "startupProbe": {"failureThreshold": 120},
        "livenessProbe": {"initialDelaySeconds": 3},
    },
    # Of a container, kubelet takes the user from the image, which it does not do for the sandbox of the pod.
    "group": {"securityContext": {"runAsGroup": 1234}},
    "account": {"serviceAccount": {"create": False, "name": "there"}},
    "irsa": {"serviceAccount": {"annotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::111122223333:role/ecr"}}},
    "no-rbac": {"rbac": {"create": False, "aggregated": {"edit": False, "admin": False}}},
    "secret-names": {
        "rbac": {
            "secretNames": ["ecr-login"],
            "keysSecretNames": ["aws-keys"],
            "serviceAccountTokens": {"names": ["ecr-pull"]},
        }
    },
    "least": {
        "rbac": {
            "secretNames": ["ecr-login"],
            "serviceAccounts": False,
            "namespaces": False,
            "events": False,
            "legacyKind": False,
            "serviceAccountTokens": {"names": ["ecr-pull"]},
        }
    },
    "pod-injection": {"podInjection": {"enabled": True, "excludeNamespaces": ["kube-system", "kube-ecr"]}},
    "pod-injection-of-all": {"podInjection": {"excludeNamespaces": []}},
    "no-pod-injection": {"podInjection": {"enabled": False}},
    "pod-injection-of-namespaces": {"watchNamespaces": ["default"], "podInjection": {"enabled": True}},
    "namespaces": {"watchNamespaces": ["default", "kube-public"], "rbac": {"secretNames": ["ecr-login"]}},
    "more-rights": {
        "rbac": {
            "aggregated": {"view": True},
            "extraRules": [{"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["a"], "verbs": ["get"]}],
        }
    },
    "service-monitor": MONITORED,
    "pod-monitor": {
        "podMonitor": MONITORED["serviceMonitor"],
        "prometheusRule": {"enabled": True},
        "service": {"enabled": False},
    },
    "metrics": {
        "metrics": {"secure": True},
        "serviceMonitor": {"enabled": True},
        "networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}]},
    },
    "metrics-certificate": {
        "metrics": {"secure": True, "certificate": {"secretName": "metrics-tls"}, "authorization": {"enabled": True}},
        "serviceMonitor": {"enabled": True},
    },
    "metrics-token": {
        "metrics": {
            "secure": True,
            "certificate": {
                "secretName": "metrics-tls",
                "ca": {"configMap": {"name": "openshift-service-ca.crt", "key": "service-ca.crt"}},
            },
            "authorization": {"enabled": True, "credentials": {"name": "prometheus-token", "key": "token"}},
        },
        "podMonitor": {"enabled": True},
    },
    "network-policy": {"networkPolicy": {"enabled": True}},
    "network-policy-open": {"networkPolicy": {"enabled": True, "from": [{"namespaceSelector": {}}], "egress": [{}]}},
    "extra-objects": {
        "extraObjects": [
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-a"}},
            'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ include "kube-ecr-runner.fullname" . }}-b}',
        ]
    },
}
