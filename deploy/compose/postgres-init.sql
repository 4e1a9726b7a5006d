-- Per service a database, a role that owns and migrates it, and a role that works with it and owns nothing; nobody enters
-- another's. Passwords are for development only.
CREATE ROLE kiosk_gateway_owner LOGIN PASSWORD 'kiosk_gateway_owner';
CREATE ROLE kiosk_gateway LOGIN PASSWORD 'kiosk_gateway';
CREATE DATABASE kiosk_gateway OWNER kiosk_gateway_owner;
CREATE ROLE job_orchestrator_owner LOGIN PASSWORD 'job_orchestrator_owner';
CREATE ROLE job_orchestrator LOGIN PASSWORD 'job_orchestrator';
CREATE DATABASE job_orchestrator OWNER job_orchestrator_owner;
CREATE ROLE upload_signer_owner LOGIN PASSWORD 'upload_signer_owner';
CREATE ROLE upload_signer LOGIN PASSWORD 'upload_signer';
CREATE DATABASE upload_signer OWNER upload_signer_owner;
CREATE ROLE billing_meter_owner LOGIN PASSWORD 'billing_meter_owner';
CREATE ROLE billing_meter LOGIN PASSWORD 'billing_meter';
CREATE DATABASE billing_meter OWNER billing_meter_owner;
CREATE ROLE perfect_adapter_owner LOGIN PASSWORD 'perfect_adapter_owner';
CREATE ROLE perfect_adapter LOGIN PASSWORD 'perfect_adapter';
CREATE DATABASE perfect_adapter OWNER perfect_adapter_owner;
REVOKE CONNECT, TEMPORARY ON DATABASE kiosk_gateway, job_orchestrator, upload_signer, billing_meter, perfect_adapter, postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE kiosk_gateway TO kiosk_gateway;
GRANT CONNECT ON DATABASE job_orchestrator TO job_orchestrator;
GRANT CONNECT ON DATABASE upload_signer TO upload_signer;
GRANT CONNECT ON DATABASE billing_meter TO billing_meter;
GRANT CONNECT ON DATABASE perfect_adapter TO perfect_adapter;
