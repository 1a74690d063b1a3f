-- The tables of the funnel models as temporary ones of this session, empty. Parameters: none.
-- Usage: clickstream funnel run. They come before those of the platform wherever a name has no schema.
create temporary table events (like clickstream.events including all);

create temporary table retention (like clickstream.retention including all);

create temporary table sessions (like clickstream.sessions including all);

create temporary table model_users (like clickstream.model_users including all);

create temporary table funnel_days (like clickstream.funnel_days including all);

create temporary table funnel_users (like clickstream.funnel_users including all);

create temporary table funnel_steps (like clickstream.funnel_steps including all);

create temporary table funnel_times (like clickstream.funnel_times including all);
