mod durability;
mod fold;
mod journal;
mod replay;
mod rfc5782;
mod server;
mod smtp_client;
mod world;
