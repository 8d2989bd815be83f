-- What the role `cyclone_grafana` may read: these views, none of which holds a row's values. `cyclone grafana connect`
-- makes the role. A view that a migration drops and makes anew gets its grants back here.
REVOKE EXECUTE ON FUNCTION
latency_series(text, timestamptz, timestamptz, double precision),
revision_requests(text, timestamptz),
feature_bins(text, integer, text, timestamptz, timestamptz)
FROM public;
DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'cyclone_grafana') THEN
        GRANT SELECT ON
            alarm_error,
            alarm_hold,
            alarm_labels,
            alarm_log,
            alarm_monitor,
            alarm_service,
            bin_hour,
            budget_use,
            calibration_history,
            canary_step,
            current_verdict,
            decision_history,
            error_day,
            gate_slice,
            hold_history,
            incident_history,
            instance_log,
            label_day,
            label_delay,
            log_completeness,
            log_day,
            log_window_completeness,
            model_event,
            model_present,
            model_status,
            known_bin,
            known_feature,
            known_version,
            newest_check,
            page_link,
            release_measure,
            release_stage,
            request_hour,
            serving_version,
            set_aside_reason,
            timeline,
            typical_error
        TO cyclone_grafana;
        GRANT EXECUTE ON FUNCTION
            latency_series(text, timestamptz, timestamptz, double precision),
            revision_requests(text, timestamptz),
            feature_bins(text, integer, text, timestamptz, timestamptz)
        TO cyclone_grafana;
    END IF;
END $$
