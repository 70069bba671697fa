variable "cluster_name" {
  description = "Name of the EKS cluster. It has the add-on eks-pod-identity-agent if the runner uses Pod Identity."
  type        = string
  default     = "my-cluster"
}

variable "identity" {
  description = <<-END
    Who may have the role. pod-identity: the runner, on EKS. irsa: a service account of any cluster whose issuer AWS
    trusts. assumed-role: an identity of another account, for spec.awsAccess.roleArn; apply this in the account of the
    repositories.
  END
  type        = string
  default     = "pod-identity"

  validation {
    condition     = contains(["pod-identity", "irsa", "assumed-role"], var.identity)
    error_message = "identity must be pod-identity, irsa or assumed-role."
  }
}

variable "issuer" {
  description = "Issuer of the cluster without https://, for irsa. Its OIDC provider exists in this account."
  type        = string
  default     = "oidc.eks.eu-west-1.amazonaws.com/id/EXAMPLE0123456789ABCDEF"
}

variable "service_account" {
  description = "Namespace and name of the service account of the runner, or of the one that serviceAccountRef names."
  type        = object({ namespace = string, name = string })
  default     = { namespace = "kube-ecr", name = "kube-ecr-runner" }
}

variable "account_id" {
  description = "The account whose repositories the role may pull from, which is also the one where it is made."
  type        = string
  default     = "111122223333"
}

variable "partition" {
  description = "The partition of AWS: aws, aws-cn, aws-us-gov, aws-eusc ..."
  type        = string
  default     = "aws"
}

variable "ecr_public" {
  description = "Whether resources list public.ecr.aws in registries."
  type        = bool
  default     = false
}

variable "other_account_role_arn" {
  description = "A role of another account that the role may assume, for spec.awsAccess.roleArn; null for none."
  type        = string
  default     = null
}

variable "trusted_arn" {
  description = "For assumed-role: the user or role that may assume the role."
  type        = string
  default     = null
}

variable "external_id" {
  description = "For assumed-role: what spec.awsAccess.externalId says; null for none. It is not a password."
  type        = string
  default     = null
}
