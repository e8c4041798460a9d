/** How a site is named in messages, settings and requests. */

/** Return the name of the site at an address: its host without "www." @param {{hostname: string}} address */
export const getSite = ({ hostname }) => hostname.replace(/^www\./, "");
