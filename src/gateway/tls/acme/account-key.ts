import { createHash, createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';

/** The key of an account: whoever has it acts for the account. ECDSA over P-256. */
export class AccountKey {
  readonly #key: KeyObject;
  /** The public half (RFC 7517), with its members in the order of a thumbprint. */
  readonly jwk: { readonly crv: string; readonly kty: string; readonly x: string; readonly y: string };

  /** Throws what Node says of a PEM that holds no private key. */
  constructor(pem: string) {
    this.#key = createPrivateKey(pem);
    const { crv = '', kty = '', x = '', y = '' } = createPublicKey(this.#key).export({ format: 'jwk' });
    this.jwk = { crv, kty, x, y };
  }

  /** PEM of a new one. */
  static make(): string {
    return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
  }

  /** What proves that a challenge was answered for this account (RFC 8555, 8.1). */
  authorizationOf(token: string): string {
    return `${token}.${createHash('sha256').update(JSON.stringify(this.jwk)).digest('base64url')}`;
  }

  /** A body as ACME wants it: a flattened JWS (RFC 8555, 6.2; RFC 7515; RFC 7518, 3.4). `payload` absent: POST-as-GET. */
  sign(header: { readonly url: string; readonly nonce: string; readonly kid: string | undefined }, payload: object | undefined): string {
    const { url, nonce, kid } = header;
    const head = encoded(JSON.stringify({ alg: 'ES256', ...(kid === undefined ? { jwk: this.jwk } : { kid }), nonce, url }));
    const body = payload === undefined ? '' : encoded(JSON.stringify(payload));
    const signature = sign('sha256', Buffer.from(`${head}.${body}`), { key: this.#key, dsaEncoding: 'ieee-p1363' });
    return JSON.stringify({ protected: head, payload: body, signature: signature.toString('base64url') });
  }
}

function encoded(text: string): string {
  return Buffer.from(text).toString('base64url');
}
