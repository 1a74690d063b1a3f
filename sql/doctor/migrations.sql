-- The migrations that were applied. Parameters: none. Grain: one row a migration. Usage: doctor, as the owner.
select migration_id from _yoyo_migration
