import { type Ledger, mayRepeat, type Plan, patternOf, sumOf } from './fixture-soak-plan.ts';

/** An answer as a client got it, in any protocol. */
export interface SoakAnswer {
  readonly status: number;
  readonly fields: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** Its end came as it should. */
  readonly isWhole: boolean;
}

/** Says of an answer whether it may be the one to this request; what is wrong goes to the ledger. */
export function judgeAnswer(ledger: Ledger, plan: Plan, answer: SoakAnswer): void {
  const { status, fields, body, isWhole } = answer;
  const own = fields['proxy-status'];
  if (own !== undefined) {
    ledger.count(`own ${status}`);
    if (!mayFail(ledger, plan, status, own)) ledger.problem(`the gateway answered ${status} (${own})`, plan);
    return;
  }
  if (fields['x-token'] !== plan.token) {
    ledger.problem(`got the answer to ${fields['x-token']} (${status})`, plan);
    return;
  }
  if (plan.fault === 'busy' && status === 503) {
    ledger.count('busy');
    return;
  }
  if (status !== plan.status) ledger.problem(`got status ${status}`, plan);
  if (plan.upload !== 'none' && !plan.isEarly && fields['x-sum'] !== sumOf(patternOf(plan.token, plan.uploadBytes)))
    ledger.problem('its backend got another body', plan);
  const bytes = plan.method === 'HEAD' || plan.status !== 200 ? 0 : plan.answerBytes;
  if (!body.equals(patternOf(plan.token, bytes).subarray(0, body.length))) ledger.problem('got another body', plan);
  if (isWhole) {
    if (body.length !== bytes) ledger.problem(`got a body of ${body.length} bytes for whole`, plan);
    ledger.count('whole');
    ledger.whole.set(plan.token, status);
  } else {
    ledger.count('cut off');
    if (!ledger.broken.has(plan.token)) ledger.problem(`was cut off after ${body.length} bytes`, plan);
  }
}

/** No answer came at all. */
export function judgeSilence(ledger: Ledger, plan: Plan, how: string): void {
  ledger.count('no answer');
  if (!ledger.broken.has(plan.token)) ledger.problem(`got no answer: ${how}`, plan);
}

function mayFail(ledger: Ledger, plan: Plan, status: number, own: string): boolean {
  if (plan.service === 'changing' && (status === 404 || status === 503)) return true;
  if (status < 502 || status > 504) return false;
  if (status === 504) return ledger.silent.has(plan.token) || ledger.hasStalledSince(plan);
  if (status === 502 && ledger.broken.has(plan.token)) return true;
  // The tries that it has were spent on busy backends, and the last one on a connection that ended meanwhile.
  if (status === 502 && plan.fault === 'busy' && own.includes('connection_terminated')) return true;
  // It went out as the backend ended the connection: it may have been read. Or its body was too long to be kept (`LIMITS.replayBytes`).
  const isFinal = !mayRepeat(plan) || plan.uploadBytes >= 70_000;
  return isFinal && !ledger.arrived.has(plan.token) && own.includes('connection_terminated');
}
