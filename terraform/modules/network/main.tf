# The private network: one subnetwork, a way to Google's managed services inside it, and a way out for those without a
# public address. Nothing here has a public address of its own, and no rule lets anybody in from outside.

resource "google_compute_network" "this" {
  name                    = var.name
  auto_create_subnetworks = false
}

resource "google_compute_subnetwork" "this" {
  name                     = var.name
  region                   = var.region
  network                  = google_compute_network.this.id
  ip_cidr_range            = var.subnetwork_range
  private_ip_google_access = true # Google's APIs are reached without a public address

  log_config {
    aggregation_interval = "INTERVAL_10_MIN"
    flow_sampling        = 0.1 # enough to see who talks to whom, at a tenth of the price of the logs
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

# Cloud SQL's instances live in a network of Google's that is peered with this one.
resource "google_compute_global_address" "managed_services" {
  name          = "${var.name}-managed-services"
  purpose       = "VPC_PEERING"
  address_type  = "INTERNAL"
  prefix_length = 20 # Google takes a /24 for each region and kind of service
  network       = google_compute_network.this.id
}

resource "google_service_networking_connection" "managed_services" {
  network                 = google_compute_network.this.id
  service                 = "servicenetworking.googleapis.com"
  reserved_peering_ranges = [google_compute_global_address.managed_services.name]
  deletion_policy         = "ABANDON" # Google refuses to delete it for days after the last instance is gone
}

# The way out: for packages and images of other hosts, from machines without a public address.
resource "google_compute_router" "this" {
  name    = var.name
  region  = var.region
  network = google_compute_network.this.id
}

resource "google_compute_router_nat" "this" {
  name                               = var.name
  region                             = var.region
  router                             = google_compute_router.this.name
  nat_ip_allocate_option             = "AUTO_ONLY"
  source_subnetwork_ip_ranges_to_nat = "LIST_OF_SUBNETWORKS"

  subnetwork {
    name                    = google_compute_subnetwork.this.id
    source_ip_ranges_to_nat = ["ALL_IP_RANGES"]
  }

  log_config {
    enable = true
    filter = "ERRORS_ONLY"
  }
}

# A person reaches a machine through Identity-Aware Proxy only. The range is Google's for that proxy.
resource "google_compute_firewall" "identity_aware_proxy" {
  name          = "${var.name}-identity-aware-proxy"
  network       = google_compute_network.this.id
  direction     = "INGRESS"
  source_ranges = ["35.235.240.0/20"]
  target_tags   = ["cyclone-airflow"]

  allow {
    protocol = "tcp"
    ports    = ["22"] # SSH, through which Airflow's pages are reached as well
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}
