import { execFile } from 'node:child_process';

const withinMs = 2_000;

/**
 * Tells systemd that this process serves, and that it is the main one now: a service of `Type=notify` outlives an upgrade. Nothing to do where no service
 * manager asked for it. Node has no datagram sockets of this kind, so systemd's own program says it (sd_notify(3), systemd-notify(1)).
 */
export async function notifyServiceManager(environment: NodeJS.ProcessEnv, pid: number): Promise<void> {
  if (environment['NOTIFY_SOCKET'] === undefined) return;
  await new Promise<void>((resolve) => {
    execFile('systemd-notify', ['--ready', `--pid=${pid}`], { timeout: withinMs, env: environment }, () => resolve());
  });
}
