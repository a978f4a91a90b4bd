import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A self-signed certificate for `localhost` (ECDSA, P-256) and its key in one file, as nginx, HAProxy and Caddy read it. The two are also beside it, as `cert.pem` and `key.pem`. */
export async function makeCertificate(directory: string): Promise<string> {
  const key = join(directory, 'key.pem');
  const certificate = join(directory, 'cert.pem');
  const both = join(directory, 'both.pem');
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  await run('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-days',
    '30',
    ...subject,
    '-keyout',
    key,
    '-out',
    certificate,
  ]);
  await writeFile(both, `${await readFile(certificate, 'utf8')}${await readFile(key, 'utf8')}`);
  return both;
}
