/** `127.0.0.1:3000` or `[::1]:3000`: an address as messages, URLs and a Host field have it (RFC 3986, 3.2.2). */
export function formatAddress({ host, port }: { readonly host: string; readonly port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
