//! Telling a TCP peer whose machine or network is gone from one that is only silent: the system asks it.
use std::{io, time::Duration};

use elbus_client::keep_alive::Pace;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;

/// Has the system notice within `limit` that the other side is gone; zero leaves it to the system's own times.
pub(crate) fn watch(stream: &TcpStream, limit: Duration) -> io::Result<()> {
    let Some(pace) = Pace::of(limit) else {
        return Ok(());
    };
    let socket = SockRef::from(stream);
    let probes = TcpKeepalive::new()
        .with_time(pace.idle)
        .with_interval(pace.interval)
        .with_retries(pace.retries);
    socket.set_tcp_keepalive(&probes)?;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    socket.set_tcp_user_timeout(Some(pace.user_timeout))?;
    Ok(())
}

#[cfg(test)]
#[cfg(any(target_os = "linux", target_os = "android"))]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    async fn accepted() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let far = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        (listener.accept().await.unwrap().0, far)
    }

    #[tokio::test]
    async fn the_system_is_told_when_to_ask_and_when_to_give_up() {
        let (near, _far) = accepted().await;
        watch(&near, Duration::from_secs(30)).unwrap();
        let socket = SockRef::from(&near);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_secs(15));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(3));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 5);
        let gone = socket.tcp_user_timeout().unwrap();
        assert_eq!(gone, Some(Duration::from_secs(27)));
    }

    #[tokio::test]
    async fn zero_leaves_the_socket_as_it_is() {
        let (near, _far) = accepted().await;
        watch(&near, Duration::ZERO).unwrap();
        let socket = SockRef::from(&near);
        assert!(!socket.keepalive().unwrap());
        assert_eq!(socket.tcp_user_timeout().unwrap(), None);
    }
}
