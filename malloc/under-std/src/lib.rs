//! The work, the same for each allocator.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;

/// Marsaglia's xorshift64.
pub struct Random(u64);

impl Random {
    fn next(&mut self) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 as usize
    }
}

fn boxes(count: usize, order: impl FnOnce(&mut Vec<Option<Box<[u8; 48]>>>) -> Vec<u32>) {
    let mut all: Vec<_> = (0..count).map(|n| Some(Box::new([n as u8; 48]))).collect();
    for which in order(&mut all) {
        black_box(all[which as usize].take());
    }
}

fn work(case: &str, count: usize) {
    let mut random = Random(0x5eed);
    match case {
        "nothing" => {}
        "vec" => {
            let mut numbers = Vec::new();
            for n in 0..count as u64 {
                numbers.push(n);
            }
            black_box(numbers);
        }
        "in-order" => boxes(count, |all| (0..all.len() as u32).collect()),
        "reverse" => boxes(count, |all| (0..all.len() as u32).rev().collect()),
        "random" => boxes(count, |all| {
            let mut order: Vec<_> = (0..all.len() as u32).collect();
            for n in (1..order.len()).rev() {
                order.swap(n, random.next() % (n + 1));
            }
            order
        }),
        "map" => {
            let mut map = BTreeMap::new();
            for n in 0..count {
                let key = random.next();
                map.insert(format!("{key:x} is number {n}"), vec![n as u8; key % 100]);
            }
            let mut keep = false;
            map.retain(|_, _| {
                keep = !keep;
                keep
            });
            black_box(map);
        }
        "mix" => {
            let mut blocks: Vec<Vec<u8>> = (0..1000).map(|_| Vec::new()).collect();
            for _ in 0..count {
                let (which, bits) = (random.next() % 1000, random.next() % 21);
                let size = 1 + random.next() % (1 << bits);
                let mut block = Vec::with_capacity(size);
                block.push(1);
                blocks[which] = block;
            }
            black_box(blocks);
        }
        "threads-1" | "threads-2" | "threads-4" => {
            let threads: usize = case["threads-".len()..].parse().expect("a number");
            std::thread::scope(|scope| {
                for number in 0..threads {
                    scope.spawn(move || {
                        let mut random = Random(0x5eed + number as u64);
                        let mut blocks: Vec<Vec<u8>> = (0..1000).map(|_| Vec::new()).collect();
                        for _ in 0..count / threads {
                            let (which, size) = (random.next() % 1000, 1 + random.next() % 500);
                            blocks[which] = Vec::with_capacity(size);
                        }
                        black_box(blocks);
                    });
                }
            });
        }
        other => panic!("no case is called {other}"),
    }
}

/// `PROGRAM CASE COUNT`: does the work and prints how many seconds it took, and by how many KiB it made the process
/// larger at its peak.
pub fn main() {
    let args: Vec<_> = std::env::args().collect();
    let (case, count) = (args[1].clone(), args[2].parse().expect("COUNT"));
    let before = resident();
    let start = Instant::now();
    work(&case, count);
    let seconds = start.elapsed().as_secs_f64();
    println!("{seconds} {}", resident() - before);
}

/// The most memory that was resident so far, in KiB (`VmHWM` in man 5 proc_pid_status).
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}
