// Curator's recipes on the server that the first argument names; prints `PASSED name` or `FAILED name: why` for each. Run as a source file:
// java -cp 'JARS/*' Recipes.java HOST:PORT

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.framework.recipes.atomic.DistributedAtomicLong;
import org.apache.curator.framework.recipes.barriers.DistributedBarrier;
import org.apache.curator.framework.recipes.barriers.DistributedDoubleBarrier;
import org.apache.curator.framework.recipes.cache.CuratorCache;
import org.apache.curator.framework.recipes.cache.CuratorCacheListener;
import org.apache.curator.framework.recipes.leader.LeaderLatch;
import org.apache.curator.framework.recipes.locks.InterProcessMutex;
import org.apache.curator.framework.recipes.locks.InterProcessReadWriteLock;
import org.apache.curator.framework.recipes.locks.InterProcessSemaphoreV2;
import org.apache.curator.framework.recipes.nodes.PersistentNode;
import org.apache.curator.framework.recipes.queue.SimpleDistributedQueue;
import org.apache.curator.framework.recipes.shared.SharedCount;
import org.apache.curator.retry.ExponentialBackoffRetry;
import org.apache.zookeeper.CreateMode;

public class Recipes {
    interface Recipe { void run(CuratorFramework one, CuratorFramework two) throws Exception; }

    static String servers;
    static final ExecutorService threads = Executors.newCachedThreadPool(task -> {
        Thread thread = new Thread(task);
        thread.setDaemon(true);
        return thread;
    });

    static CuratorFramework client() throws Exception {
        CuratorFramework client = CuratorFrameworkFactory.newClient(servers, 6000, 5000, new ExponentialBackoffRetry(100, 5));
        client.start();
        check(client.blockUntilConnected(10, TimeUnit.SECONDS), "no connection");
        return client;
    }

    static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    static void recipe(String name, Recipe recipe) throws Exception {
        CuratorFramework one = client(), two = client();
        Future<?> running = threads.submit(() -> { recipe.run(one, two); return null; });
        try {
            running.get(30, TimeUnit.SECONDS);
            System.out.println("PASSED " + name);
        } catch (Exception failure) {
            System.out.println("FAILED " + name + ": " + (failure.getCause() == null ? failure : failure.getCause()));
        } finally {
            one.close();
            two.close();
        }
    }

    public static void main(String[] args) throws Exception {
        servers = args[0];
        String root = "/curator-" + System.nanoTime();

        recipe("InterProcessMutex: one holder at a time", (one, two) -> {
            AtomicInteger holders = new AtomicInteger(), most = new AtomicInteger(), done = new AtomicInteger();
            List<Future<?>> all = new ArrayList<>();
            for (int i = 0; i < 4; i++) {
                CuratorFramework client = i % 2 == 0 ? one : two;
                all.add(threads.submit(() -> {
                    InterProcessMutex lock = new InterProcessMutex(client, root + "/mutex");
                    for (int round = 0; round < 25; round++) {
                        lock.acquire();
                        most.accumulateAndGet(holders.incrementAndGet(), Math::max);
                        done.incrementAndGet();
                        holders.decrementAndGet();
                        lock.release();
                    }
                    return null;
                }));
            }
            for (Future<?> each : all) each.get();
            check(most.get() == 1 && done.get() == 100, most + " holders at once, " + done + " rounds");
        });

        recipe("InterProcessMutex: goes on when its holder's session ends", (one, two) -> {
            CuratorFramework holder = client();
            new InterProcessMutex(holder, root + "/left").acquire();
            InterProcessMutex other = new InterProcessMutex(one, root + "/left");
            check(!other.acquire(200, TimeUnit.MILLISECONDS), "two hold it");
            holder.close();
            check(other.acquire(10, TimeUnit.SECONDS), "it never came free");
            other.release();
        });

        recipe("InterProcessReadWriteLock", (one, two) -> {
            InterProcessReadWriteLock a = new InterProcessReadWriteLock(one, root + "/rw"), b = new InterProcessReadWriteLock(two, root + "/rw");
            a.readLock().acquire();
            check(b.readLock().acquire(5, TimeUnit.SECONDS), "readers exclude each other");
            b.readLock().release();
            check(!b.writeLock().acquire(200, TimeUnit.MILLISECONDS), "a writer beside a reader");
            a.readLock().release();
            check(b.writeLock().acquire(5, TimeUnit.SECONDS), "no writer when there is no reader");
            b.writeLock().release();
        });

        recipe("InterProcessSemaphoreV2", (one, two) -> {
            InterProcessSemaphoreV2 a = new InterProcessSemaphoreV2(one, root + "/semaphore", 2), b = new InterProcessSemaphoreV2(two, root + "/semaphore", 2);
            var first = a.acquire();
            var second = b.acquire(5, TimeUnit.SECONDS);
            check(second != null, "the second of two was refused");
            check(b.acquire(200, TimeUnit.MILLISECONDS) == null, "a third of two");
            a.returnLease(first);
            var third = b.acquire(5, TimeUnit.SECONDS);
            check(third != null, "a returned one is not given out");
            b.returnLease(second);
            b.returnLease(third);
        });

        recipe("LeaderLatch: another leads when the leader goes", (one, two) -> {
            LeaderLatch a = new LeaderLatch(one, root + "/latch", "a"), b = new LeaderLatch(two, root + "/latch", "b");
            a.start();
            check(a.await(5, TimeUnit.SECONDS), "nobody leads");
            b.start();
            check(!b.await(300, TimeUnit.MILLISECONDS), "two lead");
            check(b.getLeader().getId().equals("a"), "the leader is not seen");
            a.close();
            check(b.await(10, TimeUnit.SECONDS), "nobody took over");
            b.close();
        });

        recipe("DistributedBarrier", (one, two) -> {
            DistributedBarrier barrier = new DistributedBarrier(one, root + "/barrier");
            barrier.setBarrier();
            DistributedBarrier other = new DistributedBarrier(two, root + "/barrier");
            check(!other.waitOnBarrier(200, TimeUnit.MILLISECONDS), "it does not hold");
            barrier.removeBarrier();
            check(other.waitOnBarrier(5, TimeUnit.SECONDS), "it does not open");
        });

        recipe("DistributedDoubleBarrier", (one, two) -> {
            Recipe member = (client, none) -> {
                DistributedDoubleBarrier barrier = new DistributedDoubleBarrier(client, root + "/double", 2);
                check(barrier.enter(10, TimeUnit.SECONDS), "not all came in");
                check(barrier.leave(10, TimeUnit.SECONDS), "not all left");
            };
            Future<?> other = threads.submit(() -> { member.run(two, null); return null; });
            member.run(one, null);
            other.get();
        });

        recipe("CuratorCache: what is there, then every change", (one, two) -> {
            one.create().creatingParentsIfNeeded().forPath(root + "/cache/a", "1".getBytes());
            CountDownLatch ready = new CountDownLatch(1);
            CompletableFuture<String> changed = new CompletableFuture<>(), created = new CompletableFuture<>(), deleted = new CompletableFuture<>();
            CuratorCache cache = CuratorCache.build(two, root + "/cache");
            cache.listenable().addListener(CuratorCacheListener.builder()
                .forInitialized(ready::countDown)
                .forChanges((old, now) -> changed.complete(new String(now.getData())))
                .forCreates(now -> { if (now.getPath().endsWith("/b/c")) created.complete(now.getPath()); })
                .forDeletes(old -> { if (old.getPath().endsWith("/b/c")) deleted.complete(old.getPath()); })
                .build());
            cache.start();
            check(ready.await(10, TimeUnit.SECONDS), "never ready");
            check(new String(cache.get(root + "/cache/a").get().getData()).equals("1"), "what was there is not in it");
            one.setData().forPath(root + "/cache/a", "2".getBytes());
            check(changed.get(5, TimeUnit.SECONDS).equals("2"), "the change has other data");
            one.create().creatingParentsIfNeeded().forPath(root + "/cache/b/c");
            created.get(5, TimeUnit.SECONDS);
            one.delete().forPath(root + "/cache/b/c");
            deleted.get(5, TimeUnit.SECONDS);
            cache.close();
        });

        recipe("SharedCount and DistributedAtomicLong", (one, two) -> {
            SharedCount a = new SharedCount(one, root + "/count", 3), b = new SharedCount(two, root + "/count", 3);
            a.start();
            b.start();
            check(a.trySetCount(a.getVersionedValue(), 4), "not set");
            for (int i = 0; b.getCount() != 4; i++) {
                check(i < 100, "the other never sees it");
                Thread.sleep(50);
            }
            DistributedAtomicLong number = new DistributedAtomicLong(one, root + "/number", new ExponentialBackoffRetry(10, 10));
            for (int i = 0; i < 10; i++) check(number.increment().succeeded(), "not incremented");
            check(new DistributedAtomicLong(two, root + "/number", new ExponentialBackoffRetry(10, 10)).get().postValue() == 10, "not 10");
            a.close();
            b.close();
        });

        recipe("SimpleDistributedQueue", (one, two) -> {
            SimpleDistributedQueue in = new SimpleDistributedQueue(one, root + "/queue"), out = new SimpleDistributedQueue(two, root + "/queue");
            for (int i = 0; i < 20; i++) in.offer(("" + i).getBytes());
            for (int i = 0; i < 20; i++) check(new String(out.take()).equals("" + i), "out of order at " + i);
        });

        recipe("PersistentNode: comes back when it is deleted", (one, two) -> {
            PersistentNode node = new PersistentNode(one, CreateMode.EPHEMERAL, false, root + "/persistent", "x".getBytes());
            node.start();
            check(node.waitForInitialCreate(5, TimeUnit.SECONDS), "not made");
            long before = two.checkExists().forPath(root + "/persistent").getCzxid();
            two.delete().forPath(root + "/persistent");
            for (int i = 0; ; i++) {
                var stat = two.checkExists().forPath(root + "/persistent");
                if (stat != null && stat.getCzxid() > before) break;
                check(i < 100, "it never came back");
                Thread.sleep(50);
            }
            node.close();
        });

        recipe("a transaction", (one, two) -> {
            one.transaction().forOperations(
                one.transactionOp().create().forPath(root + "/t", "1".getBytes()),
                one.transactionOp().setData().forPath(root + "/t", "2".getBytes()),
                one.transactionOp().check().withVersion(1).forPath(root + "/t"));
            check(new String(two.getData().forPath(root + "/t")).equals("2"), "not applied");
        });
        System.exit(0);
    }
}
