# The role that pulls.
resource "aws_iam_role" "ecr_pull" {
  name               = local.role_name
  assume_role_policy = local.trust[var.identity]

  lifecycle {
    precondition {
      condition     = var.identity != "assumed-role" || var.trusted_arn != null
      error_message = "Set trusted_arn: identity = \"assumed-role\" needs the user or role that may assume the role."
    }
  }
}

resource "aws_iam_role_policy" "ecr_pull" {
  name   = "ecr-pull"
  role   = aws_iam_role.ecr_pull.name
  policy = jsonencode(local.ecr_pull)
}

# Only if a resource lists public.ecr.aws in registries.
resource "aws_iam_role_policy" "ecr_public" {
  count = var.ecr_public ? 1 : 0

  name   = "ecr-public"
  role   = aws_iam_role.ecr_pull.name
  policy = jsonencode(local.ecr_public)
}

# Only if resources name a role of another account in roleArn.
resource "aws_iam_role_policy" "assume" {
  count = var.other_account_role_arn == null ? 0 : 1

  name   = "assume"
  role   = aws_iam_role.ecr_pull.name
  policy = jsonencode(local.assume)
}

# A pod receives its identity when it is created: restart the runner afterwards.
resource "aws_eks_pod_identity_association" "runner" {
  count = var.identity == "pod-identity" ? 1 : 0

  cluster_name    = var.cluster_name
  namespace       = var.service_account.namespace
  service_account = var.service_account.name
  role_arn        = aws_iam_role.ecr_pull.arn
}

output "role_arn" {
  description = "With irsa: the annotation eks.amazonaws.com/role-arn of the service account."
  value       = aws_iam_role.ecr_pull.arn
}
