# The policies of docs/aws-identities.md, as values. Nothing in this file needs a provider, so that
# `terraform console` shows them without an account: local.ecr_pull, local.trust.irsa
locals {
  role_name = "ecr-pull"

  ecr_pull = {
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "ecr:GetAuthorizationToken"
        Resource = "*"
      },
      {
        Effect   = "Allow"
        Action   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = "arn:${var.partition}:ecr:*:${var.account_id}:repository/*"
      },
    ]
  }

  ecr_public = {
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = ["ecr-public:GetAuthorizationToken", "sts:GetServiceBearerToken"]
        Resource = "*"
      },
    ]
  }

  assume = {
    Version = "2012-10-17"
    Statement = [
      {
        Effect   = "Allow"
        Action   = "sts:AssumeRole"
        Resource = var.other_account_role_arn
      },
    ]
  }

  trust_pod_identity = {
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Service = "pods.eks.amazonaws.com" }
        Action    = ["sts:AssumeRole", "sts:TagSession"]
        Condition = {
          StringEquals = {
            "aws:RequestTag/eks-cluster-name"           = var.cluster_name
            "aws:RequestTag/kubernetes-namespace"       = var.service_account.namespace
            "aws:RequestTag/kubernetes-service-account" = var.service_account.name
          }
        }
      },
    ]
  }

  trust_irsa = {
    Version = "2012-10-17"
    Statement = [
      {
        Effect    = "Allow"
        Principal = { Federated = "arn:${var.partition}:iam::${var.account_id}:oidc-provider/${var.issuer}" }
        Action    = "sts:AssumeRoleWithWebIdentity"
        Condition = {
          StringEquals = {
            "${var.issuer}:aud" = "sts.amazonaws.com"
            "${var.issuer}:sub" = "system:serviceaccount:${var.service_account.namespace}:${var.service_account.name}"
          }
        }
      },
    ]
  }

  trust_assumed_role = {
    Version = "2012-10-17"
    Statement = [
      merge(
        {
          Effect    = "Allow"
          Principal = { AWS = var.trusted_arn }
          Action    = "sts:AssumeRole"
        },
        var.external_id == null ? {} : {
          Condition = { StringEquals = { "sts:ExternalId" = var.external_id } }
        },
      ),
    ]
  }

  # As texts, since the three differ in type.
  trust = {
    pod-identity = jsonencode(local.trust_pod_identity)
    irsa         = jsonencode(local.trust_irsa)
    assumed-role = jsonencode(local.trust_assumed_role)
  }
}
