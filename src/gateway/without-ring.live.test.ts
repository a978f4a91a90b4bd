/** What holds where a ring carries the connections holds where there is none, as in most containers: the same tests, by streams. */
process.env['HAVEN_GATEWAY_RING'] = 'off';
await import('./corpus.live.test.ts');
await import('./pipeline.live.test.ts');
await import('./early-answer.live.test.ts');
await import('./stale-connections.live.test.ts');
