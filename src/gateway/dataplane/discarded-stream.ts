import type { ClientStream } from './client-stream.ts';

/** Where the answer to a request goes that nobody waits for any more. */
export const DISCARDED: ClientStream = {
  protocol: '',
  tls: '',
  passInformational: () => undefined,
  beginAnswer: () => undefined,
  addBody: () => undefined,
  endBody: () => undefined,
  flush: () => false,
  answerSelf: () => undefined,
  finished: () => undefined,
  cutOff: () => undefined,
  pauseBody: () => undefined,
  resumeBody: () => undefined,
  passWaitingBody: () => undefined,
  beginTunnel: () => undefined,
  tunnelToClient: () => false,
  closeTunnel: () => undefined,
  endTunnelToClient: () => undefined,
};
