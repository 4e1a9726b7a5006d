-- One role and one database per service; nobody reads another's. Passwords are for development only.
CREATE ROLE kiosk_gateway LOGIN PASSWORD 'kiosk_gateway';
CREATE DATABASE kiosk_gateway OWNER kiosk_gateway;
CREATE ROLE job_orchestrator LOGIN PASSWORD 'job_orchestrator';
CREATE DATABASE job_orchestrator OWNER job_orchestrator;
CREATE ROLE upload_signer LOGIN PASSWORD 'upload_signer';
CREATE DATABASE upload_signer OWNER upload_signer;
CREATE ROLE billing_meter LOGIN PASSWORD 'billing_meter';
CREATE DATABASE billing_meter OWNER billing_meter;
CREATE ROLE perfect_adapter LOGIN PASSWORD 'perfect_adapter';
CREATE DATABASE perfect_adapter OWNER perfect_adapter;
REVOKE CONNECT ON DATABASE kiosk_gateway, job_orchestrator, upload_signer, billing_meter, perfect_adapter FROM PUBLIC;
