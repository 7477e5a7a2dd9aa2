//! A server of any kind: started, disturbed, stopped, and restarted with the same data.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use nix::sys::signal::Signal;

use crate::data_dir::{self, DataDir};
use crate::error::ServersError;
use crate::port::Port;
use crate::process::{self, Launch, Process};
use crate::wait::{TIMEOUT, until};

/// Whether a server at this address is ready.
pub(crate) type Probe = Arc<dyn Fn(SocketAddr) -> bool + Send + Sync>;

/// A server, running or not. Fields are dropped in order: first the process, then its directory.
pub(crate) struct Service {
    process: Option<Process>,
    launch: Launch,
    port: Port,
    probe: Probe,
    dir: Arc<DataDir>,
}

impl Service {
    /// A server that is not running yet.
    pub(crate) const fn new(launch: Launch, port: Port, probe: Probe, dir: Arc<DataDir>) -> Self {
        Self { process: None, launch, port, probe, dir }
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

    pub(crate) const fn dir(&self) -> &Arc<DataDir> {
        &self.dir
    }

    pub(crate) const fn launch_mut(&mut self) -> &mut Launch {
        &mut self.launch
    }

    pub(crate) fn log(&self) -> String {
        data_dir::tail(&self.launch.log())
    }

    /// The process id, as long as there is a process.
    pub(crate) fn id(&self) -> Option<i32> {
        self.process.as_ref().map(Process::id)
    }

    pub(crate) const fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&mut self) -> Result<(), ServersError> {
        self.spawn()?;
        self.wait_until_ready()
    }

    /// Starts it without waiting.
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
        let ready = until(TIMEOUT, || match process.ended()? {
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

    /// Kills it immediately, as a power failure would.
    pub(crate) fn kill(&mut self) -> Result<(), ServersError> {
        running(&mut self.process, &self.launch, self.port.address())?.kill();
        self.process = None;
        Ok(())
    }

    /// Stops it with a signal, and waits until it has ended.
    pub(crate) fn stop(&mut self, signal: Signal) -> Result<(), ServersError> {
        let process = running(&mut self.process, &self.launch, self.port.address())?;
        process.signal(signal);
        let ended = until(TIMEOUT, || process.ended())?;
        if ended.is_none() {
            return Err(self.too_late("its end"));
        }
        self.process = None;
        Ok(())
    }

    /// Suspends it: connections stay open, but get no reply.
    pub(crate) fn pause(&mut self) -> Result<(), ServersError> {
        running(&mut self.process, &self.launch, self.port.address())?.pause();
        Ok(())
    }

    pub(crate) fn resume(&mut self) -> Result<(), ServersError> {
        running(&mut self.process, &self.launch, self.port.address())?.resume();
        Ok(())
    }

    fn too_late(&self, what: &str) -> ServersError {
        ServersError::Timeout { what: format!("{self}: {what}"), waited: TIMEOUT, log: self.log() }
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
