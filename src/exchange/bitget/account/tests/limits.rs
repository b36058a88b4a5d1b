//! The limits as the simulated exchange counts them, under virtual time and with random network delays.

use super::*;

/// A transport straight into the simulated exchange, with random delays.
#[derive(Clone)]
struct Direct {
    clock: Clock,
    exchange: Arc<Mutex<bitget_sim::Exchange>>,
}

impl Direct {
    async fn travel(&self) {
        let way = Duration::from_millis(u64::from(self.clock.jitter().0));
        self.clock.sleep_until(self.clock.now() + way).await;
    }
}

impl Transport for Direct {
    async fn send(&self, request: Request) -> Result<Response, TransportError> {
        self.travel().await;
        let Request { method, path, query, headers, body } = request;
        let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let method = method.as_str().to_owned();
        let request =
            bitget_sim::Request { method, path, query, headers, body: body.into_bytes(), from: None };
        let now = bitget_sim::UnixMs(self.clock.wall());
        let reply = self.exchange.lock().unwrap().handle(now, &request);
        self.travel().await;
        match reply.outcome {
            bitget_sim::Outcome::Response(bitget_sim::Response { status, headers, body }) => {
                let remaining = headers.iter().find(|(name, _)| name == "x-mbx-used-remain-limit");
                let remaining = remaining.and_then(|(_, value)| value.parse().ok());
                Ok(Response { status, remaining, media: None, body })
            }
            bitget_sim::Outcome::Dropped | bitget_sim::Outcome::Hang => {
                Err(TransportError::Unanswered("no answer came".to_owned()))
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn i8_the_exchange_never_says_429_however_long_the_way_is() {
    let clock = Clock::simulated(START, 7);
    let mut exchange = bitget_sim::Exchange::new();
    for (uid, name) in [(1, "a"), (2, "b")] {
        exchange.add_account(bitget_sim::NewAccount::classic(bitget_sim::Uid(uid), name));
    }
    let direct = Direct { clock: clock.clone(), exchange: Arc::new(Mutex::new(exchange)) };
    let bitget = Bitget::new(direct.clone(), clock.clone(), NonZeroU32::new(100).unwrap());
    let until = clock.now() + Duration::from_secs(120);
    let mut tasks = Vec::new();
    for name in ["a", "b"] {
        let secret = |what: &str| format!("{what}-{name}");
        let credential =
            Credential::new(secret("key"), secret("test-secret"), secret("test-passphrase")).unwrap();
        let desk = Arc::new(bitget.account(name.parse().unwrap(), credential, Trading::Real));
        desk.clock().await.unwrap();
        for task in 0..60 {
            let (desk, clock) = (Arc::clone(&desk), clock.clone());
            tasks.push(tokio::spawn(async move {
                let mut did = 0;
                while clock.now() < until {
                    let routine = Purpose::New;
                    let outcome = match task % 6 {
                        0 => desk.clock().await.map(|_| ()),
                        1 => desk.account(Purpose::New).await.map(|_| ()),
                        2 => desk.mode(USDT, routine).await.map(|_| ()),
                        3 => desk.count(USDT, List::Positions, Extent::Whole, routine).await.map(|_| ()),
                        4 => desk.count(USDT, List::PlanOrders, Extent::Whole, routine).await.map(|_| ()),
                        _ => set(&desk, &clock).await,
                    };
                    match outcome {
                        Ok(()) => did += 1,
                        Err(Failure { class: Class::Busy { until }, .. }) => clock.sleep_until(until).await,
                        Err(other) => panic!("{other:?}"),
                    }
                }
                did
            }));
        }
    }
    let mut did = Vec::new();
    for task in tasks {
        did.push(task.await.unwrap());
    }
    let exchange = direct.exchange.lock().unwrap();
    let refused = exchange.log().iter().filter(|entry| entry.status == Some(429)).count();
    assert_eq!(refused, 0, "of {}", exchange.log().len());
    assert!(bitget.cool_downs().is_empty());
    let sets = exchange.log().iter().filter(|entry| entry.path.ends_with("set-position-mode")).count();
    assert!(sets > 240, "{sets} sets of two accounts in two minutes");
    assert!(did.iter().all(|did| *did > 0), "everybody came to their turn: {did:?}");
}

async fn set(desk: &AccountClient<Direct>, clock: &Clock) -> Result<(), Failure> {
    let permit = desk.permit(USDT).await?;
    let stamp = desk.session.client.server_clock().unwrap().at(clock.now());
    match desk.send_set(USDT, PositionMode::Hedge, stamp, permit).await {
        (SetAnswer::Accepted, Some(_)) => Ok(()),
        (other, _) => panic!("{other:?}"),
    }
}
