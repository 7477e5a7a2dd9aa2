//! What all servers have in common: started, disturbed, stopped, started again on the same data.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::error::ServersError;
use crate::home::{self, Home};
use crate::port::Port;
use crate::process::{self, Launch, Process};
use crate::wait::{PATIENCE, until};

/// Whether a server at this address answers.
pub(crate) type Probe = Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>;

/// A server, running or not. Fields are dropped in order: first the process, then its directory.
pub(crate) struct Service {
    process: Option<Process>,
    launch: Launch,
    port: Port,
    probe: Probe,
    home: Arc<Home>,
}

impl Service {
    /// A server that doesn't run yet.
    pub(crate) const fn new(launch: Launch, port: Port, probe: Probe, home: Arc<Home>) -> Self {
        Self { process: None, launch, port, probe, home }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.port.address()
    }

    pub(crate) fn program(&self) -> &Path {
        &self.launch.program
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.launch.directory
    }

    pub(crate) const fn home(&self) -> &Arc<Home> {
        &self.home
    }

    pub(crate) const fn launch_mut(&mut self) -> &mut Launch {
        &mut self.launch
    }

    pub(crate) fn log(&self) -> String {
        home::tail(&self.launch.log())
    }

    /// The process id, while there is a process.
    pub(crate) fn id(&self) -> Option<i32> {
        self.process.as_ref().map(Process::id)
    }

    pub(crate) const fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it and waits until it answers.
    pub(crate) fn start(&mut self) -> Result<(), ServersError> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Starts it and doesn't wait.
    pub(crate) fn spawn(&mut self) -> Result<(), ServersError> {
        if self.process.is_some() {
            return Err(ServersError::Running(self.to_string()));
        }
        self.process = Some(Process::start(&self.launch)?);
        Ok(())
    }

    pub(crate) fn wait_until_ready(&mut self) -> Result<(), ServersError> {
        let address = self.address();
        let probe = Arc::clone(&self.probe);
        let process = running(&mut self.process, &self.launch, address)?;
        let launch = &self.launch;
        let ready = until(PATIENCE, || match process.ended()? {
            Some(status) => Err(process::ended(launch, &status.to_string())),
            None => Ok(probe(address).then_some(())),
        });
        match ready {
            Ok(Some(())) => Ok(()),
            Ok(None) => Err(self.too_late("an answer")),
            Err(error) => {
                self.process = None;
                Err(error)
            }
        }
    }

    /// Ends it at once, as a power cut does.
    pub(crate) fn kill(&mut self) -> Result<(), ServersError> {
        running(&mut self.process, &self.launch, self.port.address())?.kill();
        self.process = None;
        Ok(())
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self, signal: Signal) -> Result<(), ServersError> {
        let process = running(&mut self.process, &self.launch, self.port.address())?;
        process.signal(signal);
        let ended = until(PATIENCE, || process.ended())?;
        if ended.is_none() {
            return Err(self.too_late("its end"));
        }
        self.process = None;
        Ok(())
    }

    /// Lets it hang: connections stay open, and nothing is answered.
    pub(crate) fn pause(&mut self) -> Result<(), ServersError> {
        running(&mut self.process, &self.launch, self.port.address())?.pause();
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Result<(), ServersError> {
        running(&mut self.process, &self.launch, self.port.address())?.resume();
        Ok(())
    }

    fn too_late(&self, what: &str) -> ServersError {
        ServersError::TooLate { what: format!("{self}: {what}"), waited: PATIENCE, log: self.log() }
    }
}

fn running<'a>(
    process: &'a mut Option<Process>,
    launch: &Launch,
    address: SocketAddr,
) -> Result<&'a mut Process, ServersError> {
    process.as_mut().ok_or_else(|| ServersError::NotRunning(name(launch, address)))
}

fn name(launch: &Launch, address: SocketAddr) -> String {
    let program = launch.program.file_name().unwrap_or_default().to_string_lossy();
    format!("{program} at {address}")
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&name(&self.launch, self.address()))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.to_string())
            .field("directory", &self.launch.directory)
            .field("id", &self.id())
            .finish_non_exhaustive()
    }
}
