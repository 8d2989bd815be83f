variable "name" {
  description = "The beginning of the budget's name."
  type        = string
}

variable "billing_account" {
  description = "The billing account, such as 012345-6789AB-CDEF01."
  type        = string
}

variable "project_number" {
  description = "The number of the project that is counted."
  type        = string
}

variable "amount" {
  description = "The amount of a month, in whole units of the currency."
  type        = number
}

variable "currency" {
  description = "The currency of the billing account. Google refuses another."
  type        = string
}

variable "channel" {
  description = "The channel that is told."
  type        = string
}
