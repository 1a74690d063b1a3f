-- Forget what this run has built and checked. Parameters: run_id (text).
-- Grain: every row of model_users, model_hours, funnel_days and retention_weeks that this run claimed; a later run's
-- are left alone. Idempotent.
-- Usage: the last task of clickstream_models, only when all checks of severity `fail` passed.
delete from clickstream.model_users
where run_id = %(run_id)s;

delete from clickstream.model_hours
where run_id = %(run_id)s;

delete from clickstream.funnel_days
where run_id = %(run_id)s;

delete from clickstream.retention_weeks
where run_id = %(run_id)s;
